"""A local HTTP server that answers what it is told to, where a failure must be provoked."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def authorization(self) -> str | None:
        return self.headers.get("authorization")


@dataclass
class Answer:
    status: int = 200
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    drop_after: int | None = None

    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class Host:
    url: str
    answers: dict[tuple[str, str], Answer | Callable[[Seen], Answer]]
    seen: list[Seen]

    def on(self, method: str, path: str, answer: Answer | Callable[[Seen], Answer]) -> None:
        self.answers[method, path] = answer


def handler(host: Host) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            seen = Seen(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            host.seen.append(seen)
            found = host.answers.get((self.command, self.path.split("?")[0]), Answer(404, {"detail": "none"}))
            answer = found(seen) if callable(found) else found
            content = answer.content()
            self.send_response(answer.status)
            self.send_header("content-length", str(len(content)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content[: answer.drop_after])
            if answer.drop_after is not None:
                self.close_connection = True

        do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = answer

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    return Handler

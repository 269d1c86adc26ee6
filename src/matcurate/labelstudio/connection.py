"""The way to one Label Studio: its address, the token in both its forms, and errors in one place."""

from __future__ import annotations

import base64
import binascii
import json
import re
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar, cast

import httpx
from label_studio_sdk import LabelStudio
from pydantic import BaseModel, JsonValue, ValidationError

from matcurate.config import first_problem
from matcurate.errors import (
    LabelStudioAuthError,
    LabelStudioError,
    LabelStudioNotFoundError,
    LabelStudioUnreachableError,
)

REMEDY_404 = "check 'curate connect --project-id'"
REFRESH_BEFORE_S = 60.0
"""Access tokens live 300 s; one that has less than this left is renewed."""
TIMEOUT = httpx.Timeout(120.0, connect=5.0)
RESOURCE = re.compile(r"/api/(?:dm/)?(project|task|annotation|prediction|ml|webhook)s?/(\d+)")
M = TypeVar("M", bound=BaseModel)


class TokenAuth(httpx.Auth):
    """A legacy token as it is, or a personal access token (a JWT refresh token) exchanged for access tokens.

    Safe to share between threads. The token goes only into requests of the client it is given to, which
    follows no redirects.
    """

    requires_response_body = True

    def __init__(self, url: str, token: str) -> None:
        self._refresh_url = f"{url}/api/token/refresh/"
        self._token = token
        self._personal = token.count(".") == 2
        self._access = ""
        self._renew_at = 0.0
        self._lock = threading.Lock()

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Set the Authorization header, asking for a new access token first when the old one runs out."""
        if not self._personal:
            request.headers["Authorization"] = f"Token {self._token}"
            yield request
            return
        if time.monotonic() >= self._renew_at:
            response = yield httpx.Request("POST", self._refresh_url, json={"refresh": self._token})
            self._keep(response)
        with self._lock:
            request.headers["Authorization"] = f"Bearer {self._access}"
        yield request

    def _keep(self, response: httpx.Response) -> None:
        if not response.is_success:
            return  # the request that follows is refused
        try:
            access = str(response.json()["access"])
        except (ValueError, KeyError, TypeError) as error:
            raise LabelStudioError(
                "the answer of /api/token/refresh/ is not Label Studio's; check its address"
            ) from error
        with self._lock:
            self._access = access
            self._renew_at = time.monotonic() + _lifetime(access) - REFRESH_BEFORE_S


def _lifetime(access_token: str) -> float:
    """Seconds an access token is valid: its ``exp`` less its ``iat``; 0 when it does not say."""
    body = access_token.split(".")[1] if access_token.count(".") == 2 else ""
    try:
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return float(claims["exp"]) - float(claims["iat"])
    except (binascii.Error, ValueError, KeyError, TypeError):
        return 0.0


@dataclass(frozen=True)
class Connection:
    """One Label Studio (``url`` without a trailing slash) and the token for it, from ``token_source``."""

    url: str
    token: str
    token_source: str = "the token file"

    def __post_init__(self) -> None:
        parsed = httpx.URL(self.url)
        if parsed.scheme not in ("http", "https") or not parsed.host or self.url.endswith("/"):
            raise LabelStudioError(f"{self.url!r} is not an http(s) address; correct 'curate connect --url'")
        if not self.token.strip() or self.token != self.token.strip() or not self.token.isascii():
            raise LabelStudioAuthError(f"{self.token_source} holds no token; copy it from Label Studio's account page")

    def __repr__(self) -> str:
        return f"Connection({self.url!r}, token from {self.token_source})"

    @cached_property
    def http(self) -> httpx.Client:
        """Client that sends the token and follows no redirect; every failure is a :class:`LabelStudioError`."""
        return httpx.Client(
            base_url=self.url,
            auth=TokenAuth(self.url, self.token),
            timeout=TIMEOUT,
            follow_redirects=False,
            transport=_Guard(self.url),
            event_hooks={"response": [self._check]},
        )

    @cached_property
    def files(self) -> httpx.Client:
        """Client for files: sends the token as well, but leaves redirects and refusals to the caller."""
        return httpx.Client(auth=self.http.auth, timeout=TIMEOUT, follow_redirects=False, transport=_Guard(self.url))

    @cached_property
    def sdk(self) -> LabelStudio:
        """Label Studio's own client on top of :attr:`http`, which replaces the key with the current token."""
        return LabelStudio(  # type: ignore[no-untyped-call]
            base_url=self.url, api_key="replaced", httpx_client=self.http
        )

    def get(self, path: str, model: type[M], **params: str | int) -> M:
        """GET ``path`` and read the answer as ``model``."""
        return read(self.http.get(path, params=params), model)

    def send(self, method: str, path: str, body: Any = None, **params: str | int) -> JsonValue:  # noqa: ANN401
        """Send ``body`` as JSON; the answer's JSON, None when it is empty."""
        response = self.http.request(method, path, json=body, params=params)
        return parse(response) if response.content else None

    def close(self) -> None:
        """Close open connections."""
        self.http.close()
        self.files.close()

    def _check(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        response.read()
        path = response.request.url.path
        code = response.status_code
        if code in (401, 403):
            raise LabelStudioAuthError(
                f"Label Studio at {self.url} does not accept the token in {self.token_source} ({code} for {path}); "
                "put a current token there with 'curate connect --token-file'"
            )
        if code == 404:
            match = RESOURCE.search(path)
            what = f"{match[1]} {match[2]}" if match else path
            raise LabelStudioNotFoundError(f"Label Studio at {self.url} has no {what}; was it deleted? {REMEDY_404}")
        if response.is_redirect:
            to = response.headers.get("location", "?")
            raise LabelStudioError(f"{self.url} redirects to {to}; correct 'curate connect --url'")
        raise LabelStudioError(f"Label Studio at {self.url} answers {code} to {path}: {_detail(response)}")


class Resource:
    """What a connection reaches: projects, tasks, predictions, …."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection


class _Guard(httpx.BaseTransport):
    """The network; its failures become one error each, with a remedy."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._network = httpx.HTTPTransport(retries=1)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with self._translated(request):
            response = self._network.handle_request(request)
        response.stream = _GuardedStream(response.stream, partial(self._translated, request))
        return response

    @contextmanager
    def _translated(self, request: httpx.Request) -> Iterator[None]:
        try:
            yield
        except httpx.TimeoutException as error:
            raise LabelStudioUnreachableError(
                f"Label Studio at {self._url} did not answer {request.url.path} in time; try again when it is less busy"
            ) from error
        except httpx.TransportError as error:
            raise LabelStudioUnreachableError(
                f"Label Studio does not answer at {self._url} ({error}); start it or correct 'curate connect --url'"
            ) from error

    def close(self) -> None:
        self._network.close()


class _GuardedStream(httpx.SyncByteStream):
    """An answer's body, which may break off."""

    def __init__(
        self,
        stream: httpx.SyncByteStream | httpx.AsyncByteStream,
        translated: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._stream = cast(httpx.SyncByteStream, stream)
        self._translated = translated

    def __iter__(self) -> Iterator[bytes]:
        with self._translated():
            yield from self._stream

    def close(self) -> None:
        self._stream.close()


def parse(response: httpx.Response) -> JsonValue:
    """Read an answer as JSON; LabelStudioError when it is something else (a proxy's page, say)."""
    try:
        answer: JsonValue = response.json()
    except ValueError as error:
        where = response.request.url
        raise LabelStudioError(f"the answer of {where} is not JSON; is Label Studio at this address?") from error
    return answer


def read(response: httpx.Response, model: type[M]) -> M:
    """Read an answer as ``model``; LabelStudioError when it does not fit."""
    try:
        return model.model_validate_json(response.content)
    except ValidationError as error:
        where = response.request.url.path
        raise LabelStudioError(
            f"the answer of {where} is not what Label Studio 1.23 sends: {first_problem(error)}; check its version"
        ) from error


def _detail(response: httpx.Response) -> str:
    """One line out of Label Studio's error body."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, Mapping):
        return response.reason_phrase
    reasons = body.get("validation_errors") or body.get("detail") or body
    return " ".join(json.dumps(reasons, ensure_ascii=False).split())[:300]


def read_token(path: Path) -> str:
    """Read the token in a file; LabelStudioAuthError when it cannot be read or holds anything but one word."""
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise LabelStudioAuthError(
            f"cannot read the token file {path} ({error}); correct 'curate connect --token-file'"
        ) from error
    if len(token.split()) != 1:
        raise LabelStudioAuthError(
            f"the token file {path} should hold the token alone; copy it from Label Studio's account page"
        )
    return token

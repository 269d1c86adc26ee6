"""Failures of Label Studio, provoked on a local server; what works is tested on the real one."""

import base64
import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from matcurate.errors import (
    LabelStudioAuthError,
    LabelStudioError,
    LabelStudioNotFoundError,
    LabelStudioUnreachableError,
)
from matcurate.labelstudio import ImageUpload, LabelStudioClient, PredictionRow, labelling_config, read_token
from matcurate.labelstudio.connection import Connection
from tests.unit.labelstudio.local_http import Answer, Host, Seen

LEGACY = "0123456789" * 4
WHOAMI = "/api/current-user/whoami"


def jwt(**claims: object) -> str:
    parts = [{"alg": "none"}, claims]
    return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=").decode() for p in parts) + ".sig"


PERSONAL = jwt(token_type="refresh", exp=4_000_000_000)


@pytest.fixture
def client(host: Host) -> LabelStudioClient:
    return LabelStudioClient(host.url + "/", LEGACY, token_source="/lab/token")


def fails(kind: type[Exception], *words: str) -> "pytest.RaisesContext[Exception]":
    return pytest.raises(kind, match=".*".join(words))


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with fails(LabelStudioUnreachableError, f"does not answer at {url}", "start it or correct 'curate connect"):
            LabelStudioClient(url, LEGACY).whoami()


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_names_its_file_not_itself(client: LabelStudioClient, host: Host, status: int) -> None:
    host.on("GET", WHOAMI, Answer(status, {"detail": "Invalid token."}))
    with fails(LabelStudioAuthError, "does not accept the token in /lab/token", "--token-file") as caught:
        client.whoami()
    assert LEGACY not in str(caught.value)
    assert LEGACY not in repr(client._connection)
    assert host.seen[0].authorization == f"Token {LEGACY}"


def test_what_is_gone_is_named(client: LabelStudioClient) -> None:
    with fails(LabelStudioNotFoundError, "no annotation 17;"):
        client.annotations.get(17)
    with fails(LabelStudioNotFoundError, "no project 4;"):
        client.projects.get(4)
    with fails(LabelStudioNotFoundError, "no project 4;"):
        client.projects.delete(4)  # through the SDK
    with fails(LabelStudioNotFoundError, "no /api/current-user/whoami"):
        client.whoami()


def test_refusals_carry_the_servers_reason_in_one_line(client: LabelStudioClient, host: Host) -> None:
    host.on("GET", WHOAMI, Answer(400, {"detail": "Validation error", "validation_errors": {"title": ["too\nlong"]}}))
    with fails(LabelStudioError, "answers 400", r"too\\nlong") as caught:
        client.whoami()
    assert "\n" not in str(caught.value)
    host.on("GET", WHOAMI, Answer(502, b"<html>Bad gateway</html>"))
    with fails(LabelStudioError, "answers 502", "Bad Gateway"):
        client.whoami()


def test_something_else_than_label_studio_answers(client: LabelStudioClient, host: Host) -> None:
    host.on("GET", WHOAMI, Answer(200, b"<html>router</html>"))
    with fails(LabelStudioError, "not what Label Studio"):
        client.whoami()
    host.on("GET", WHOAMI, Answer(200, {"id": "x"}))
    with fails(LabelStudioError, "whoami", "id: "):
        client.whoami()
    host.on("DELETE", "/api/projects/1/model-versions/", Answer(200, b"<html>"))
    host.on("GET", "/api/projects/1/model-versions/", Answer(200, {"v1": 2}))
    with fails(LabelStudioError, "is not JSON"):
        client.predictions.delete_version(1, "v1")


def test_an_answer_that_breaks_off(client: LabelStudioClient, host: Host) -> None:
    host.on("GET", WHOAMI, Answer(200, {"id": 1, "email": "a@b.c"}, drop_after=5))
    with fails(LabelStudioUnreachableError, "does not answer"):
        client.whoami()


def test_redirects_are_not_followed(client: LabelStudioClient, host: Host, new_host: Callable[[], Host]) -> None:
    other = new_host()
    other.on("GET", WHOAMI, Answer(200, {"id": 1, "email": "a@b.c"}))
    host.on("GET", WHOAMI, Answer(302, headers={"location": other.url + WHOAMI}))
    with fails(LabelStudioError, "redirects to " + other.url):
        client.whoami()
    assert other.seen == []


def test_a_personal_token_is_exchanged_once_and_renewed_in_time(host: Host) -> None:
    granted = iter([jwt(iat=100, exp=130), jwt(iat=200, exp=500), "unreached"])
    host.on("POST", "/api/token/refresh/", lambda seen: Answer(200, {"access": next(granted)}))
    host.on("GET", WHOAMI, Answer(200, {"id": 1, "email": "a@b.c"}))
    client = LabelStudioClient(host.url, PERSONAL)
    for _ in range(4):
        client.whoami()
    # the first access token has 30 s, less than the minute we keep in hand; the second 300 s
    paths = [seen.path for seen in host.seen]
    assert paths == ["/api/token/refresh/", WHOAMI, "/api/token/refresh/", WHOAMI, WHOAMI, WHOAMI]
    assert json.loads(host.seen[0].body) == {"refresh": PERSONAL}
    assert host.seen[1].authorization == f"Bearer {jwt(iat=100, exp=130)}"
    assert host.seen[5].authorization == f"Bearer {jwt(iat=200, exp=500)}"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(401, {"detail": "Token is invalid or expired"}), LabelStudioAuthError),
        (Answer(200, {"something": "else"}), LabelStudioError),
        (Answer(200, b"<html>"), LabelStudioError),
        (Answer(500, b""), LabelStudioError),
    ],
)
def test_a_personal_token_that_cannot_be_exchanged(host: Host, answer: Answer, kind: type[Exception]) -> None:
    host.on("POST", "/api/token/refresh/", answer)
    with pytest.raises(kind):
        LabelStudioClient(host.url, PERSONAL).whoami()


def test_an_access_token_that_does_not_say_how_long_it_lives_is_asked_for_each_time(host: Host) -> None:
    host.on("POST", "/api/token/refresh/", Answer(200, {"access": "opaque"}))
    host.on("GET", WHOAMI, Answer(200, {"id": 1, "email": "a@b.c"}))
    client = LabelStudioClient(host.url, PERSONAL)
    client.whoami()
    client.whoami()
    assert [seen.method for seen in host.seen] == ["POST", "GET", "POST", "GET"]


@pytest.mark.parametrize("url", ["ftp://lab/", "lab:8080", "http://"])
def test_addresses_that_are_none(url: str) -> None:
    with fails(LabelStudioError, "not an http"):
        LabelStudioClient(url, LEGACY)


@pytest.mark.parametrize("token", ["", "  ", "a b\n", "tökén"])
def test_tokens_that_are_none(token: str) -> None:
    with fails(LabelStudioAuthError, "holds no token"):
        Connection("http://lab", token)


def test_token_files(tmp_path: Path) -> None:
    path = tmp_path / "token"
    with fails(LabelStudioAuthError, "cannot read the token file", "--token-file"):
        read_token(path)
    for text in (" \n", "two words\n"):
        path.write_text(text)
        with fails(LabelStudioAuthError, "should hold the token alone"):
            read_token(path)
    path.write_text(LEGACY + "\n")
    assert read_token(path) == LEGACY


def stores(host: Host, created: int) -> None:
    host.on("POST", "/api/projects/1/import/predictions", Answer(201, {"created": created}))
    project = {"id": 1, "title": "steel", "label_config": labelling_config(["ferrite", "pearlite"])}
    host.on("GET", "/api/projects/1/", Answer(200, project))


def row(label: str, control: str = "phase") -> PredictionRow:
    region = {"id": "a", "type": "brushlabels", "from_name": control, "value": {"brushlabels": [label]}}
    return PredictionRow(5, [region], "v1", 0.5)


def test_predictions_dropped_in_silence_are_noticed(client: LabelStudioClient, host: Host) -> None:
    stores(host, 1)
    with fails(LabelStudioError, "stored 1 of 2", "'phase' has no label 'bainite'", "ferrite, pearlite"):
        client.predictions.import_rows(1, [row("ferrite"), row("bainite")])
    with fails(LabelStudioError, "stored 1 of 2", "no control 'paint'"):
        client.predictions.import_rows(1, [row("ferrite"), row("ferrite", "paint")])
    with fails(LabelStudioError, "stored 1 of 2", "Label Studio's log"):
        client.predictions.import_rows(1, [row("ferrite"), row("pearlite")])


def test_predictions_go_in_chunks_with_progress(client: LabelStudioClient, host: Host) -> None:
    def count(seen: Seen) -> Answer:
        return Answer(201, {"created": len(json.loads(seen.body))})

    host.on("POST", "/api/projects/1/import/predictions", count)
    told: list[tuple[int, int]] = []
    rows = [row("ferrite")] * 45
    assert (
        client.predictions.import_rows(1, rows, progress=lambda done, total, note="": told.append((done, total))) == 45
    )
    assert told == [(20, 45), (40, 45), (45, 45)]
    sent = json.loads(host.seen[0].body)[0]
    assert {key: sent[key] for key in ("task", "score", "model_version")} == {
        "task": 5,
        "score": 0.5,
        "model_version": "v1",
    }


def test_titles_label_studio_would_refuse(client: LabelStudioClient, host: Host) -> None:
    with fails(LabelStudioError, "'ab' needs 3 to 50"):
        client.projects.create("ab", "<View/>")
    assert host.seen == []


def image(name: str) -> ImageUpload:
    return ImageUpload("a.png", name.encode(), {"micrograph": name})


def uploads(host: Host, listed: Callable[[list[dict[str, object]]], list[dict[str, object]]]) -> None:
    stored: list[dict[str, object]] = []

    def receive(seen: Seen) -> Answer:
        if seen.headers["content-type"].startswith("multipart"):
            names = [part.split(b'"')[0].decode() for part in seen.body.split(b'filename="')[1:]]
            for name in names:
                stored.append({"id": len(stored) + 1, "file": f"upload/1/0a1b2c3d-{name}", "size": 1})
            return Answer(201, {"file_upload_ids": [one["id"] for one in stored]})
        rows = json.loads(seen.body)
        tasks = [
            {"id": 10 + i, "data": task["data"], "updated_at": "2026-01-01T00:00:00Z"} for i, task in enumerate(rows)
        ]
        host.on("GET", "/api/tasks/", Answer(200, {"total": len(tasks), "tasks": listed(tasks)}))
        return Answer(201, {"task_ids": [task["id"] for task in tasks]})

    host.on("POST", "/api/projects/1/import", receive)
    host.on("GET", "/api/projects/1/file-uploads", lambda seen: Answer(200, list(reversed(stored))))


def test_tasks_are_matched_by_their_data_whatever_the_order(client: LabelStudioClient, host: Host) -> None:
    uploads(host, lambda tasks: list(reversed(tasks)))
    assert client.tasks.import_images(1, [image("a"), image("b"), image("c")]) == {"a": 10, "b": 11, "c": 12}


def test_a_task_with_another_image_is_refused(client: LabelStudioClient, host: Host) -> None:
    def swapped(tasks: list[dict[str, object]]) -> list[dict[str, object]]:
        first, second = (dict(task["data"]) for task in tasks)  # type: ignore[call-overload]
        first["image"], second["image"] = second["image"], first["image"]
        return [{**tasks[0], "data": first}, {**tasks[1], "data": second}]

    uploads(host, swapped)
    with fails(LabelStudioError, "no task with micrograph 'a' and its image"):
        client.tasks.import_images(1, [image("a"), image("b")])


def test_a_lost_upload_is_noticed(client: LabelStudioClient, host: Host) -> None:
    uploads(host, lambda tasks: tasks)
    host.on("GET", "/api/projects/1/file-uploads", Answer(200, []))
    with fails(LabelStudioError, "stored 0 files"):
        client.tasks.import_images(1, [image("a")])


@pytest.mark.parametrize("images", [[image("a"), image("a")], [ImageUpload("a.png", b"x", {})]])
def test_images_need_a_key_of_their_own(client: LabelStudioClient, images: list[ImageUpload]) -> None:
    with pytest.raises(ValueError, match="'micrograph' of its own"):
        client.tasks.import_images(1, images)


def test_a_refused_backend_leaves_no_orphan(client: LabelStudioClient, host: Host) -> None:
    known = [{"id": 1, "url": "http://gpu:1/", "title": "old"}]
    host.on("GET", "/api/ml/", lambda seen: Answer(200, known))

    def create(seen: Seen) -> Answer:
        known.append({"id": 2, "url": "http://gpu:2", "title": "new"})
        return Answer(403, {"detail": "address not allowed"})

    host.on("POST", "/api/ml/", create)
    host.on("DELETE", "/api/ml/2", Answer(204, b""))
    with fails(LabelStudioError, "403"):
        client.backends.connect(7, "http://gpu:2", "new")
    deleted = [seen.path.rstrip("/") for seen in host.seen if seen.method == "DELETE"]
    assert deleted == ["/api/ml/2"]

"""The client against a real Label Studio."""

import io
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from matcurate.errors import LabelStudioAuthError, LabelStudioError, LabelStudioNotFoundError
from matcurate.labelstudio import (
    SECRET_HEADER,
    ImageUpload,
    LabellingConfig,
    LabelStudioClient,
    PredictionRow,
    decode_annotation,
    encode_prediction,
    labelling_config,
    parse_labelling_config,
)
from matcurate.labelstudio.records import ProjectRecord
from tests.integration.conftest import RunningLabelStudio

pytestmark = pytest.mark.integration
PHASES = ("γ' <prec>", "M & A")
XML = labelling_config(PHASES, instances=True)
CONFIG = parse_labelling_config(XML, PHASES)


@pytest.fixture(params=["legacy", "personal"])
def either(request: pytest.FixtureRequest, label_studio: RunningLabelStudio) -> Iterator[LabelStudioClient]:
    token = label_studio.legacy_token if request.param == "legacy" else label_studio.personal_token
    with LabelStudioClient(label_studio.url, token) as client:
        yield client


@pytest.fixture
def client(label_studio: RunningLabelStudio) -> Iterator[LabelStudioClient]:
    with LabelStudioClient(label_studio.url, label_studio.personal_token) as client:
        yield client


@pytest.fixture
def project(client: LabelStudioClient) -> Iterator[ProjectRecord]:
    created = client.projects.create("Superalloy", XML, sampling="Uncertainty sampling")
    yield created
    client.projects.delete(created.id)


def micrograph(number: int) -> ImageUpload:
    """An image that differs from every other in size and grey level; never square."""
    buffer = io.BytesIO()
    Image.new("L", (60 + number, 40 + number % 7), number % 256).save(buffer, format="PNG")
    return ImageUpload(f"scan {number}.PNG", buffer.getvalue(), {"micrograph": f"sha-{number}", "lab": "ü"})


def masks(seed: int, shape: tuple[int, int] = (96, 160)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 3, shape).astype(np.uint8), rng.integers(0, 40, shape).astype(np.uint16)


def one_task(client: LabelStudioClient, project: ProjectRecord, number: int = 0) -> int:
    image = micrograph(number)
    return client.tasks.import_images(project.id, [image])[image.data["micrograph"]]


def test_both_kinds_of_token(either: LabelStudioClient, label_studio: RunningLabelStudio) -> None:
    assert either.whoami().email == label_studio.email
    project = either.projects.create("Token", XML)
    assert either.projects.get(project.id) == project
    assert parse_labelling_config(project.label_config, PHASES) == CONFIG
    (task_id,) = either.tasks.import_images(project.id, [micrograph(3)]).values()
    image = Image.open(io.BytesIO(either.fetch_image(str(either.tasks.get(task_id).data["image"]))))
    assert image.size == (63, 43)
    either.projects.delete(project.id)
    with pytest.raises(LabelStudioNotFoundError, match=f"no project {project.id}"):
        either.projects.get(project.id)


@pytest.mark.parametrize("token", ["0" * 40, "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjQwMDAwMDAwMDB9.c2ln"])
def test_foreign_tokens_are_refused(label_studio: RunningLabelStudio, token: str) -> None:
    with LabelStudioClient(label_studio.url, token, token_source="/lab/token") as client:
        with pytest.raises(LabelStudioAuthError, match="/lab/token"):
            client.whoami()


def test_every_task_shows_its_own_image(client: LabelStudioClient, project: ProjectRecord) -> None:
    images = [micrograph(number) for number in range(120)]
    told: list[tuple[int, int]] = []
    tasks = client.tasks.import_images(
        project.id, images, progress=lambda done, total, note="": told.append((done, total))
    )
    assert told == [(50, 120), (100, 120), (120, 120)]
    listed = {task.id: task for task in client.tasks.of_project(project.id)}
    assert len(listed) == client.projects.get(project.id).tasks == 120
    for image in images:
        task = listed[tasks[image.data["micrograph"]]]
        assert {key: task.data[key] for key in image.data} == image.data
        assert client.fetch_image(str(task.data["image"])) == image.content


def test_deleted_tasks_are_gone(client: LabelStudioClient, project: ProjectRecord) -> None:
    task_id = one_task(client, project)
    client.tasks.delete(task_id)
    with pytest.raises(LabelStudioNotFoundError, match=f"no task {task_id}"):
        client.tasks.get(task_id)


@pytest.mark.parametrize("bitmask", [False, True], ids=["brush", "bitmask"])
def test_predictions_come_back_pixel_for_pixel(client: LabelStudioClient, bitmask: bool) -> None:
    project = client.projects.create("Codec", labelling_config(PHASES, instances=True, bitmask=bitmask))
    config = parse_labelling_config(project.label_config, PHASES)
    tasks = client.tasks.import_images(project.id, [micrograph(number) for number in range(3)])
    rows = []
    for number in range(3):
        phases, instances = masks(number)
        result = encode_prediction(phases, config, instances=instances, ratios=(0.25, 0.5), score=0.9)
        rows.append(PredictionRow(tasks[f"sha-{number}"], result, "matsam-1", score=number / 10))
    assert client.predictions.import_rows(project.id, rows[::-1]) == 3
    for number in range(3):
        phases, instances = masks(number)
        (stored,) = client.predictions.of_task(tasks[f"sha-{number}"])
        assert (stored.model_version, stored.score) == ("matsam-1", number / 10)
        back = decode_annotation(stored.result, phases.shape, config)
        np.testing.assert_array_equal(back.phases, phases)
        np.testing.assert_array_equal(back.instances, instances)
        assert back.ratios == (0.25, 0.5)
    client.projects.delete(project.id)


def empty_rows(tasks: dict[str, int], version: str) -> list[PredictionRow]:
    return [PredictionRow(task_id, [], version, 0.5) for task_id in tasks.values()]


def test_stale_predictions_are_deleted(client: LabelStudioClient, project: ProjectRecord) -> None:
    tasks = client.tasks.import_images(project.id, [micrograph(number) for number in range(2)])
    for version in ("one", "two", "three"):
        client.predictions.import_rows(project.id, empty_rows(tasks, version))
    assert [client.predictions.delete_version(project.id, version) for version in ("one", "two", "four")] == [2, 2, 0]
    assert client.predictions.versions(project.id) == {"three": 2}
    (first, *_) = client.predictions.of_task(tasks["sha-0"])
    client.predictions.delete(first.id)
    assert client.predictions.versions(project.id) == {"three": 1}
    assert client.predictions.delete_version(project.id, "never stored") == 0


def test_the_project_shows_the_version_we_name(client: LabelStudioClient, project: ProjectRecord) -> None:
    assert project.sampling == "Uncertainty sampling"
    with pytest.raises(LabelStudioError, match=r"answers 400.*model_version"):
        client.projects.update(project.id, model_version="unknown")
    client.predictions.import_rows(project.id, empty_rows({"a": one_task(client, project)}, "matsam-1"))
    changed = client.projects.update(project.id, model_version="matsam-1", sampling="Sequential sampling")
    assert (changed.model_version, changed.sampling, changed.label_config) == (
        "matsam-1",
        "Sequential sampling",
        project.label_config,
    )


def other_config(*phases: str) -> LabellingConfig:
    return parse_labelling_config(labelling_config(phases, instances=True), phases)


def test_predictions_with_an_unknown_label_are_noticed(client: LabelStudioClient, project: ProjectRecord) -> None:
    tasks = client.tasks.import_images(project.id, [micrograph(number) for number in range(2)])
    phases, _ = masks(0)
    good = PredictionRow(tasks["sha-0"], encode_prediction(phases, CONFIG), "v1")
    bad = PredictionRow(tasks["sha-1"], encode_prediction(phases, other_config("γ' <prec>", "bainite")), "v1")
    with pytest.raises(LabelStudioError, match=r"stored 1 of 2 .*'phase' has no label 'bainite'"):
        client.predictions.import_rows(project.id, [good, bad])
    with pytest.raises(LabelStudioError, match="answers 400"):
        client.predictions.import_rows(project.id, [PredictionRow(10**9, [], "v1")])


def test_annotations_live_their_life(client: LabelStudioClient, project: ProjectRecord) -> None:
    task_id = one_task(client, project)
    phases, instances = masks(1)
    client.predictions.import_rows(project.id, [PredictionRow(task_id, encode_prediction(phases, CONFIG), "v1")])
    (prediction,) = client.predictions.of_task(task_id)
    corrected = encode_prediction(3 - np.maximum(phases, 1), CONFIG, instances=instances, ratios=(0.3, 0.7))
    created = client.annotations.create(task_id, corrected, lead_time=12.5, parent_prediction=prediction.id)
    assert (created.task_id, created.project_id, created.was_cancelled) == (task_id, project.id, False)
    assert (created.lead_time, created.parent_prediction) == (12.5, prediction.id)
    assert created.completed_by == client.whoami().id
    stored = client.annotations.get(created.id)
    assert [record.id for record in client.annotations.of_task(task_id)] == [created.id]
    assert client.annotations.of_task(task_id)[0].result == stored.result
    back = decode_annotation(stored.result, phases.shape, CONFIG)
    np.testing.assert_array_equal(back.phases, 3 - np.maximum(phases, 1))
    np.testing.assert_array_equal(back.instances, instances)
    assert back.ratios == (0.3, 0.7)

    updated = client.annotations.update(created.id, encode_prediction(phases, CONFIG))
    assert updated.updated_at > created.updated_at
    np.testing.assert_array_equal(decode_annotation(updated.result, phases.shape, CONFIG).phases, phases)

    client.annotations.delete(created.id)
    assert client.annotations.of_task(task_id) == []
    with pytest.raises(LabelStudioNotFoundError, match=f"no annotation {created.id}"):
        client.annotations.get(created.id)


def test_annotations_of_a_project_since_a_time_with_skips(client: LabelStudioClient, project: ProjectRecord) -> None:
    tasks = client.tasks.import_images(project.id, [micrograph(number) for number in range(4)])
    first = client.annotations.create(tasks["sha-0"], [])
    second = client.annotations.create(tasks["sha-1"], [])
    skipped = client.annotations.skip(tasks["sha-2"])
    assert (skipped.was_cancelled, skipped.result) == (True, [])
    stored = [record for task_id in tasks.values() for record in client.annotations.of_task(task_id)]
    assert {record.id: record.was_cancelled for record in stored} == {
        first.id: False,
        second.id: False,
        skipped.id: True,
    }
    late = skipped.created_at

    def changed() -> set[int]:
        return {task.id for task in client.tasks.of_project(project.id) if task.updated_at >= late}

    assert changed() == {tasks["sha-2"]}
    client.annotations.update(first.id, [])
    assert changed() == {first.task_id, tasks["sha-2"]}
    # a deletion leaves no annotation, but the task has changed
    client.annotations.delete(second.id)
    task = client.tasks.get(tasks["sha-1"])
    assert task.updated_at > late
    assert (task.annotations, task.skipped) == (0, 0)
    assert client.tasks.get(tasks["sha-2"]).skipped == 1


@dataclass
class StandIn:
    """What an ML backend answers when Label Studio connects it, and what it was asked."""

    url: str = ""
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def backend() -> Iterator[StandIn]:
    stand_in = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            stand_in.asked.append((self.command, self.path, headers, body))
            content = json.dumps({"status": "UP", "model_class": "StandIn", "model_version": "v1"}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            if self.path == "/webhook":
                stand_in.arrived.set()

        do_GET = do_POST = answer

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stand_in.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield stand_in
    server.shutdown()
    server.server_close()


def hooks(client: LabelStudioClient, project: ProjectRecord) -> list[dict[str, object]]:
    found = client._connection.send("GET", "/api/webhooks/", project=project.id)
    assert isinstance(found, list)
    return [hook for hook in found if isinstance(hook, dict) and hook["project"] == project.id]


def test_a_backend_is_connected_once_with_a_secret(
    client: LabelStudioClient, project: ProjectRecord, backend: StandIn
) -> None:
    first = client.backends.connect(
        project.id, backend.url + "/", "matcurate", username="ls", password="pw", webhook_secret="s3cret"
    )
    assert {path for _, path, _, _ in backend.asked} == {"/health", "/setup"}
    assert all(headers["authorization"].startswith("Basic ") for _, _, headers, _ in backend.asked)
    again = client.backends.connect(project.id, backend.url, "renamed", webhook_secret="n3w")
    assert again == first
    assert [(b.id, b.url, b.title) for b in client.backends.of_project(project.id)] == [(first, backend.url, "renamed")]
    (hook,) = hooks(client, project)
    assert (hook["url"], hook["headers"]) == (f"{backend.url}/webhook", {SECRET_HEADER: "n3w"})
    assert hook["send_for_all_actions"] is False

    backend.asked.clear()
    created = client.annotations.create(one_task(client, project), [])
    assert backend.arrived.wait(10)
    (call,) = [asked for asked in backend.asked if asked[1] == "/webhook"]
    assert call[2][SECRET_HEADER.lower()] == "n3w"
    payload = json.loads(call[3])
    assert (payload["action"], payload["annotation"]["id"]) == ("ANNOTATION_CREATED", created.id)

    assert client.backends.disconnect(project.id, backend.url) == 1
    assert client.backends.of_project(project.id) == []
    assert hooks(client, project) == []
    assert client.backends.disconnect(project.id, backend.url) == 0


def test_another_backend_of_the_project_is_left_alone(
    client: LabelStudioClient, project: ProjectRecord, backend: StandIn
) -> None:
    other = backend.url.replace("127.0.0.1", "localhost")
    client.backends.connect(project.id, other, "theirs", webhook_secret="a")
    client.backends.connect(project.id, backend.url, "ours", webhook_secret="b")
    client.backends.disconnect(project.id, backend.url)
    assert [b.title for b in client.backends.of_project(project.id)] == ["theirs"]
    assert [hook["url"] for hook in hooks(client, project)] == [f"{other}/webhook"]


def test_a_backend_that_does_not_answer_is_refused_and_leaves_nothing(
    client: LabelStudioClient, project: ProjectRecord
) -> None:
    with pytest.raises(LabelStudioError, match="answers 4"):
        client.backends.connect(project.id, "http://127.0.0.1:9", "nobody")
    assert client.backends.of_project(project.id) == []
    assert hooks(client, project) == []

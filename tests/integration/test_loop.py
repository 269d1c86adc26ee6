"""The loop through a real Label Studio, the real backend as a process of its own, and a real MLflow."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from label_studio_sdk.converter.brush import decode_rle

from matcurate.catalog import (
    CorrectionRecord,
    get_micrograph,
    list_corrections,
    list_task_links,
    micrograph_of_hash,
    prediction_for,
)
from matcurate.catalog.corrections import revisions
from matcurate.config import Settings
from matcurate.imaging.labels import decode_labels
from matcurate.labelstudio import LabelStudioClient
from matcurate.services.run import Services
from matcurate.workflows.home import Workspace, connected_project_id, label_studio_client, open_workspace
from matcurate.workflows.ingest import ingest_files
from matcurate.workflows.labelling import RegionCodec, connect_project, pull_corrections, push_project
from matcurate.workflows.labelling.connect import ConnectReport
from matcurate.workflows.presegment import PreSegmenter, register_version, zero_shot
from tests.integration.conftest import RunningServices

pytestmark = pytest.mark.integration

SIZE = (64, 96)
BATCH = 250


@dataclass
class Stack:
    services: Services
    settings: Settings
    workspace: Workspace
    client: LabelStudioClient
    http: httpx.Client
    computed_before: float
    """Predictions that other tests of this session had the backend compute."""

    def computed(self) -> float:
        return computed_by(self.http) - self.computed_before

    @property
    def project_id(self) -> int:
        return connected_project_id(self.settings)

    def tasks(self) -> dict[int, str]:
        """Content hash of the micrograph that each task is about."""
        return {
            t.id: str(t.data["micrograph"])
            for t in self.client.tasks.of_project(self.project_id)
            if "micrograph" in t.data
        }

    def predicted(self, content_hash: str) -> np.ndarray:
        """Mask that the catalog holds for a micrograph."""
        with self.workspace.reading() as session:
            micrograph = micrograph_of_hash(session, content_hash)
            assert micrograph is not None
            prediction = prediction_for(session, micrograph.id, self.version_id)
        assert prediction is not None
        return decode_labels(self.workspace.objects.get(prediction.phases_key)) > 0

    def connect(self) -> ConnectReport:
        """Connect project and backend as 'curate connect' does."""
        token_file = self.settings.label_studio.token_file
        assert token_file is not None
        return connect_project(self.settings, self.client.url, token_file, backend_url=self.services.backend_url)

    @property
    def segmenter(self) -> PreSegmenter:
        return zero_shot(self.workspace)

    @property
    def version_id(self) -> int:
        return register_version(self.workspace, self.workspace.project(), self.segmenter).id

    def corrections(self, **flags: bool) -> dict[int, CorrectionRecord]:
        project = self.workspace.project()
        with self.workspace.reading() as session:
            return {c.ls_annotation_id: c for c in list_corrections(session, project.id, **flags)}

    def regions(self, mask: np.ndarray) -> list:
        label_config = self.client.projects.get(self.project_id).label_config
        return RegionCodec.for_project(self.workspace, self.workspace.project(), label_config).encode_labels(
            mask, None, [0.25]
        )


def write_micrograph(path: Path, index: int) -> None:
    """Bright discs on noise; every index has them elsewhere."""
    rng = np.random.default_rng(index)
    image = rng.normal(90, 4, SIZE)
    for _ in range(3):
        centre = (int(rng.integers(12, SIZE[1] - 12)), int(rng.integers(12, SIZE[0] - 12)))
        cv2.circle(image, centre, int(rng.integers(6, 11)), 180.0, -1)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image.clip(0, 255).astype(np.uint8))


def eventually(found: Callable[[], bool], seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found():
            return True
        time.sleep(0.2)
    return False


def computed_by(http: httpx.Client) -> float:
    """Predictions that the backend has computed since it started."""
    line = re.search(r'^matcurate_predictions_total{source="computed"} (.*)$', http.get("/metrics").text, re.MULTILINE)
    return float(line[1]) if line else 0.0


@pytest.fixture(scope="module")
def stack(running: RunningServices, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("micrographs")
    for index in range(BATCH):
        write_micrograph(folder / f"m{index:03d}.png", index)
    services, settings, workspace = running.services, running.settings, open_workspace(running.settings)
    assert settings.backend.username is not None and settings.backend.password is not None
    credentials = (settings.backend.username, settings.backend.password.get_secret_value())
    with (
        label_studio_client(settings) as client,
        httpx.Client(base_url=services.backend_url, auth=credentials, timeout=120) as http,
    ):
        stack = Stack(services, settings, workspace, client, http, computed_by(http))
        report = ingest_files(workspace, [folder])
        assert (len(report.added), report.refused) == (BATCH, ())
        pushed = push_project(workspace, client, stack.segmenter.version)
        assert (pushed.tasks, pushed.predictions) == (BATCH, 0)
        yield stack


def decoded(result: list) -> np.ndarray:
    """Mask of a result by Label Studio's own decoder."""
    mask = np.zeros(SIZE, bool)
    for region in result:
        if region["type"] == "brushlabels":
            assert (region["original_width"], region["original_height"]) == (SIZE[1], SIZE[0])
            mask |= decode_rle(region["value"]["rle"]).reshape(*SIZE, 4)[..., 3] > 0
    return mask


def test_a_batch_of_250_is_predicted_and_every_mask_is_on_its_own_image(stack: Stack) -> None:
    stack.client._connection.sdk.actions.create(
        project=stack.project_id,
        id="retrieve_tasks_predictions",
        selected_items={"all": True, "excluded": []},
    )
    tasks = stack.tasks()
    assert len(tasks) == len(set(tasks.values())) == BATCH
    assert stack.client.predictions.versions(stack.project_id)[stack.segmenter.version] == BATCH
    for task_id, content_hash in random.Random(0).sample(sorted(tasks.items()), 25):
        (stored,) = stack.client.predictions.of_task(task_id)
        mask = decoded(stored.result)
        np.testing.assert_array_equal(mask, stack.predicted(content_hash))
        with stack.workspace.reading() as session:
            micrograph = micrograph_of_hash(session, content_hash)
        assert micrograph is not None
        pixels = cv2.imdecode(np.frombuffer(stack.workspace.objects.get(micrograph.object_key), np.uint8), 0)
        assert pixels[mask].mean() > 160 > 110 > pixels[~mask].mean()


def test_the_order_of_tasks_does_not_matter(stack: Stack) -> None:
    tasks = [task for task in stack.client.tasks.of_project(stack.project_id) if "micrograph" in task.data][:20]
    shuffled = random.Random(1).sample(tasks, len(tasks))
    body = {
        "tasks": [{"id": task.id, "data": task.data} for task in shuffled],
        "project": f"{stack.project_id}.1",
        "label_config": stack.client.projects.get(stack.project_id).label_config,
        "params": {"context": None},
    }
    answers = stack.http.post("/predict", json=body).json()["results"]
    assert len(answers) == len(shuffled)
    for task, answer in zip(shuffled, answers, strict=True):
        np.testing.assert_array_equal(decoded(answer["result"]), stack.predicted(str(task.data["micrograph"])))


def test_created_updated_skipped_and_deleted_annotations_arrive_by_webhook(stack: Stack) -> None:
    (first, second, *_) = sorted(stack.tasks())
    drawn = np.zeros(SIZE, np.uint8)
    drawn[10:20, 40:90] = 1  # a tall x: swapped axes would not fit the image

    made = stack.client.annotations.create(first, stack.regions(drawn), lead_time=7.5)
    assert eventually(lambda: made.id in stack.corrections())
    correction = stack.corrections()[made.id]
    np.testing.assert_array_equal(decode_labels(stack.workspace.objects.get(correction.phases_key)), drawn)
    assert (correction.lead_time, correction.ratios, correction.revision) == (7.5, {"precipitate": 0.25}, 1)
    with stack.workspace.reading() as session:
        assert get_micrograph(session, correction.micrograph_id).content_hash == stack.tasks()[first]

    drawn[30:40] = 1
    stack.client.annotations.update(made.id, stack.regions(drawn))
    assert eventually(lambda: stack.corrections()[made.id].revision == 2)
    np.testing.assert_array_equal(
        decode_labels(stack.workspace.objects.get(stack.corrections()[made.id].phases_key)), drawn
    )
    with stack.workspace.reading() as session:
        assert [r.revision for r in revisions(session, correction.id)] == [1, 2]

    skipped = stack.client.annotations.skip(second)
    assert eventually(lambda: skipped.id in stack.corrections(include_skipped=True))
    assert skipped.id not in stack.corrections()

    stack.client.annotations.delete(made.id)
    assert eventually(lambda: made.id not in stack.corrections())
    assert stack.corrections(include_retracted=True)[made.id].retracted_at is not None


def test_a_lost_webhook_is_made_good_by_sync_and_twice_is_once(stack: Stack) -> None:
    task = sorted(stack.tasks())[2]
    webhooks = stack.client._connection.sdk.webhooks
    ours = f"{stack.services.backend_url}/webhook"
    (webhook,) = [hook for hook in webhooks.list(project=stack.project_id) if hook.url == ours]
    webhooks.delete(webhook.id)
    drawn = np.zeros(SIZE, np.uint8)
    drawn[:, :5] = 1
    parent = stack.client.predictions.of_task(task)[0]
    made = stack.client.annotations.create(task, stack.regions(drawn), parent_prediction=parent.id)
    time.sleep(1.0)
    assert made.id not in stack.corrections()
    assert pull_corrections(stack.workspace, stack.client).outcomes["added"] == 1
    again = pull_corrections(stack.workspace, stack.client).outcomes
    assert (again["added"], again["updated"], again["retracted"]) == (0, 0, 0)
    connected = stack.connect()
    assert connected.project_id == stack.project_id
    assert len([hook for hook in webhooks.list(project=stack.project_id) if hook.url == ours]) == 1
    correction = stack.corrections()[made.id]
    with stack.workspace.reading() as session:
        prediction = prediction_for(session, correction.micrograph_id, stack.version_id)
    assert prediction is not None
    assert correction.parent_prediction_id == prediction.id


def test_a_cleared_task_keeps_its_correction_and_is_pushed_again(stack: Stack) -> None:
    task = sorted(stack.tasks())[3]
    content_hash = stack.tasks()[task]
    made = stack.client.annotations.create(task, stack.regions(np.ones(SIZE, np.uint8)))
    assert eventually(lambda: made.id in stack.corrections())
    stack.client.tasks.delete(task)
    pull_corrections(stack.workspace, stack.client)
    assert made.id in stack.corrections()
    report = push_project(stack.workspace, stack.client, stack.segmenter.version)
    assert (report.tasks, report.predictions) == (1, 1)
    (again,) = [task_id for task_id, other in stack.tasks().items() if other == content_hash]
    assert again != task
    (stored,) = stack.client.predictions.of_task(again)
    np.testing.assert_array_equal(decoded(stored.result), stack.predicted(content_hash))


def test_pushing_again_sends_nothing_not_even_what_label_studio_fetched_itself(stack: Stack) -> None:
    report = push_project(stack.workspace, stack.client, stack.segmenter.version)
    assert (report.tasks, report.predictions) == (0, 0)
    project = stack.workspace.project()
    with stack.workspace.reading() as session:
        assert len(list_task_links(session, project.id, stack.project_id)) == BATCH
    assert stack.client.predictions.versions(stack.project_id)[stack.segmenter.version] == BATCH
    assert stack.client.projects.get(stack.project_id).model_version == stack.segmenter.version


def test_the_token_goes_to_no_other_host(stack: Stack, tmp_path: Path) -> None:
    write_micrograph(tmp_path / "elsewhere.png", 9999)
    picture = (tmp_path / "elsewhere.png").read_bytes()
    seen: list[dict[str, str]] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append({key.lower(): value for key, value in self.headers.items()})
            self.send_response(200)
            self.end_headers()
            self.wfile.write(picture)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        body = {
            "tasks": [
                {"id": 10**6, "data": {"image": f"http://127.0.0.1:{server.server_port}/elsewhere.png"}},
                {"id": 10**6 + 1, "data": {"image": "http://127.0.0.1:9/unreachable.png"}},
            ],
            "project": f"{stack.project_id}.1",
            "label_config": stack.client.projects.get(stack.project_id).label_config,
        }
        first, second = stack.http.post("/predict", json=body).json()["results"]
        server.shutdown()
    assert seen
    assert not any("authorization" in headers or "cookie" in headers for headers in seen)
    assert decoded(first["result"]).any()
    assert (second["result"], second["score"]) == ([], 0.0)


def test_metrics_and_versions_tell_what_happened(stack: Stack) -> None:
    text = stack.http.get("/metrics").text
    assert stack.computed() == BATCH + 1
    assert 'matcurate_webhooks_total{action="ANNOTATION_CREATED"}' in text
    assert stack.http.get("/versions").json() == {"versions": [stack.segmenter.version]}
    assert httpx.post(f"{stack.services.backend_url}/predict", json={"tasks": []}).status_code == 401
    assert httpx.post(f"{stack.services.backend_url}/webhook", json={"action": "X"}).status_code == 401

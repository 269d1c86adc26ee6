"""From corrections to a better pre-segmentation, with nobody at the keyboard: only Label Studio is touched."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from matcurate.catalog import (
    JobRecord,
    JobState,
    MicrographRecord,
    list_micrographs,
    list_task_links,
    prediction_for,
    version_named,
)
from matcurate.config import load_settings, save_settings
from matcurate.imaging.labels import decode_labels
from matcurate.jobs.queue import jobs_of
from matcurate.labelstudio import LabelStudioClient
from matcurate.phase.scores import score_phases
from matcurate.workflows.home import Workspace, connected_project_id, initialise, label_studio_client, open_workspace
from matcurate.workflows.ingest import Provenance, ingest_files
from matcurate.workflows.labelling import RegionCodec, connect_project, push_project
from matcurate.workflows.presegment import choose_presegmenter, presegment_micrographs
from matcurate.workflows.versions import full_history, open_registry
from tests.integration.conftest import RunningServices

pytestmark = pytest.mark.integration

SIZE = (96, 136)
LEARNED, GOLDEN, UNTOUCHED = 7, 2, 1
PRESET = {
    "name": "tiny",
    "model": {"lora": {"rank": 2}, "plm": {"hidden": 4}},
    "train": {
        "steps": 40,
        "learning_rate": 0.01,
        "warmup": 2,
        "validate_every": 20,
        "sampling": {"crop": 64, "batch": 2},
    },
}


@pytest.fixture(scope="module")
def workspace(running: RunningServices, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A project of its own in the running installation, that learns two seconds after the last correction."""
    home = running.settings.home
    preset = tmp_path_factory.mktemp("preset") / "tiny.yaml"
    preset.write_text(yaml.safe_dump(PRESET))
    initialise(load_settings(home), "learning", ("ground",), "phases")
    save_settings(
        home,
        {
            "worker": {"quiet_seconds": 2.0},
            "retrain": {"min_corrections": 4, "new_corrections": LEARNED, "preset": str(preset)},
        },
    )
    token_file = running.settings.label_studio.token_file
    assert token_file is not None
    services = running.services
    connect_project(load_settings(home), services.label_studio_url, token_file, backend_url=services.backend_url)
    return open_workspace(load_settings(home))


@pytest.fixture(scope="module")
def worker(workspace: Workspace) -> Iterator[None]:
    command = [sys.executable, "-m", "matcurate.jobs"]
    process = subprocess.Popen(command, env={"CURATE_HOME": str(workspace.settings.home)})
    yield
    process.terminate()
    process.wait(60)


def draw(folder: Path, count: int, seed: int) -> list[Path]:
    """Bright discs on a dark ground; the phase that this lab asks for is the ground, which MatSAM cannot know."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    paths = [folder / f"s{seed}-{index}.png" for index in range(count)]
    for path in paths:
        image = rng.normal(80, 5, SIZE)
        for _ in range(4):
            centre = (int(rng.integers(12, SIZE[1] - 12)), int(rng.integers(12, SIZE[0] - 12)))
            cv2.circle(image, centre, int(rng.integers(7, 12)), 185.0, -1)
        cv2.imwrite(str(path), image.clip(0, 255).astype(np.uint8))
    return paths


def truth(workspace: Workspace, key: str) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(workspace.objects.get(key), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    return np.asarray(image < 130, dtype=np.uint8)


def eventually(found: Callable[[], JobRecord | None], seconds: float = 240.0) -> JobRecord:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (record := found()) is not None:
            return record
        time.sleep(0.3)
    pytest.fail(f"nothing came within {seconds} s")


@contextmanager
def asking(workspace: Workspace, url: str, xml: str, task: dict[str, object]) -> Iterator[list[tuple[int, str]]]:
    """Ask the backend again and again, as pages do; yields status and version of every answer."""
    settings, ended = workspace.settings.backend, threading.Event()
    assert settings.username is not None and settings.password is not None
    credentials = (settings.username, settings.password.get_secret_value())
    seen: list[tuple[int, str]] = []
    question = {"tasks": [task], "project": "1.1", "label_config": xml, "params": {"context": None}}

    def ask() -> None:
        with httpx.Client(base_url=url, auth=credentials) as http:
            while not ended.wait(0.2):
                answer = http.post("/predict", json=question, timeout=60)
                results = answer.json().get("results") if answer.is_success else None
                seen.append((answer.status_code, results[0]["model_version"] if results else "none"))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join(60)


def test_corrections_make_the_next_predictions_better(
    workspace: Workspace, worker: None, running: RunningServices, tmp_path: Path
) -> None:
    golden = ingest_files(workspace, draw(tmp_path / "golden", GOLDEN, 1), Provenance(golden=True)).added
    learned = ingest_files(workspace, draw(tmp_path / "learned", LEARNED, 2)).added
    (untouched,) = ingest_files(workspace, draw(tmp_path / "untouched", UNTOUCHED, 3)).added
    masks = {m.id: truth(workspace, m.proxy_key) for m in (*golden, *learned, untouched)}
    matsam = choose_presegmenter(workspace)
    presegment_micrographs(workspace, matsam)
    with label_studio_client(workspace.settings) as client:
        push_project(workspace, client, matsam.version)
        project_id = connected_project_id(workspace.settings)
        xml = client.projects.get(project_id).label_config
        codec = RegionCodec.for_project(workspace, workspace.project(), xml)
        with workspace.reading() as session:
            tasks = {
                link.micrograph_id: link.ls_task_id
                for link in list_task_links(session, workspace.project().id, project_id)
            }
        question = {"id": tasks[untouched.id], "data": {"micrograph": untouched.content_hash, "image": "/x.png"}}
        with asking(workspace, running.services.backend_url, xml, question) as answers:
            for micrograph in (*golden, *learned):
                mask = masks[micrograph.id]
                regions = codec.encode_labels(mask, None, [float(mask.mean())])
                client.annotations.create(tasks[micrograph.id], regions, lead_time=9.0)
            training = eventually(lambda: ended(workspace, "retrain"))
            shown = eventually(lambda: ended(workspace, "presegment"))
            version = str((training.result or {})["model_version"])
            eventually(lambda: training if (200, version) in answers else None, 60)
        assert training.trigger == "corrections" and training.result is not None, training.error
        assert training.result["promoted"] is True, training.result["why"]
        assert (shown.trigger, shown.state) == ("promotion", JobState.DONE), shown.error
        # no request failed, and the champion took over once
        assert {status for status, _ in answers} == {200}
        versions = [name for _, name in answers]
        assert versions == sorted(versions, key=lambda name: name == version) and set(versions) == {
            matsam.version,
            version,
        }
        check_page(client, project_id, version, len(tasks))
    for micrograph in list_of(workspace):
        before, after = (dice(workspace, micrograph.id, name, masks) for name in (matsam.version, version))
        assert after > before + 0.2, f"{micrograph.name}: {before:.3f}, {after:.3f}"
    moves = full_history(workspace, open_registry(workspace))
    assert [(move.alias, move.version) for move in moves if move.alias == "champion"] == [("champion", 1)]


def test_the_button_of_label_studio_trains(workspace: Workspace, worker: None, running: RunningServices) -> None:
    before = {job.id for job in jobs_of(workspace)}
    with label_studio_client(workspace.settings) as client:
        (backend,) = client.backends.of_project(connected_project_id(workspace.settings))
        headers = {"Authorization": f"Token {running.token}"}
        httpx.post(f"{client.url}/api/ml/{backend.id}/train", headers=headers, timeout=30).raise_for_status()
    job = eventually(lambda: next((job for job in jobs_of(workspace) if job.id not in before), None), 30)
    assert (job.kind, job.trigger) == ("retrain", "the page")
    done = eventually(lambda: ended(workspace, "retrain", "the page"))
    assert done.state is JobState.DONE and done.result is not None, done.error
    assert done.result["run_id"] is not None and done.result["champion_metrics"] is not None


def test_an_experts_ratio_reaches_the_model_through_label_studio(
    workspace: Workspace, running: RunningServices
) -> None:
    """What the page sends when an expert asks again; the answer carries the ratio that was typed."""
    micrograph = list_of(workspace)[0]
    project_id = connected_project_id(workspace.settings)
    with workspace.reading() as session:
        links = list_task_links(session, workspace.project().id, project_id)
    (task,) = [link.ls_task_id for link in links if link.micrograph_id == micrograph.id]
    typed = {"type": "number", "from_name": "ratio_1", "to_name": "image", "value": {"number": 0.25}}
    with label_studio_client(workspace.settings) as client:
        (backend,) = client.backends.of_project(project_id)
        answer = httpx.post(
            f"{client.url}/api/ml/{backend.id}/interactive-annotating",
            json={"task": task, "context": {"result": [typed]}},
            headers={"Authorization": f"Token {running.token}"},
            timeout=60,
        )
    regions = answer.raise_for_status().json().get("data", {}).get("result", [])
    numbers = [region["value"]["number"] for region in regions if region["type"] == "number"]
    assert numbers == [0.25], answer.text[:500]


def ended(workspace: Workspace, kind: str, trigger: str | None = None) -> JobRecord | None:
    jobs = [job for job in jobs_of(workspace) if job.kind == kind and trigger in (None, job.trigger)]
    return next((job for job in jobs if job.state in (JobState.DONE, JobState.FAILED)), None)


def check_page(client: LabelStudioClient, project_id: int, version: str, tasks: int) -> None:
    """Label Studio shows the new version only, on every task."""
    assert client.predictions.versions(project_id) == {version: tasks}
    assert client.projects.get(project_id).model_version == version


def list_of(workspace: Workspace) -> list[MicrographRecord]:
    with workspace.reading() as session:
        return list_micrographs(session, workspace.project().id)


def dice(workspace: Workspace, micrograph_id: int, version: str, masks: dict[int, NDArray[np.uint8]]) -> float:
    """Of the phase, as the catalog holds the prediction of a version."""
    with workspace.reading() as session:
        named = version_named(session, workspace.project().id, version)
        assert named is not None
        prediction = prediction_for(session, micrograph_id, named.id)
    assert prediction is not None
    found = decode_labels(workspace.objects.get(prediction.phases_key))
    return score_phases(found, masks[micrograph_id], 2).dice[1] or 0.0

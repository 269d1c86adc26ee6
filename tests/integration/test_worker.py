"""The loop by itself: a real worker, Label Studio, webhook and MLflow server, and nobody at the keyboard."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from matcurate.catalog import JobRecord, JobState, MicrographRecord, list_task_links, snapshot_items, snapshot_named
from matcurate.cli.app import run
from matcurate.config import load_settings, save_settings
from matcurate.imaging.labels import decode_labels
from matcurate.jobs.queue import job_of, jobs_of
from matcurate.tracking.registry import Origin
from matcurate.tracking.runs import RunReport, live_run
from matcurate.workflows.home import Workspace, connected_project_id, enqueue, label_studio_client, open_workspace
from matcurate.workflows.ingest import ingest_files
from matcurate.workflows.labelling import RegionCodec
from matcurate.workflows.training.due import learning_state
from matcurate.workflows.versions import open_registry
from tests.integration.conftest import RunningServices

pytestmark = pytest.mark.integration

SIZE = (72, 104)
MANY = 10_000


@pytest.fixture(scope="module")
def workspace(running: RunningServices) -> Workspace:
    """The installation, where corrections have stopped coming after two seconds and are never enough to train on."""
    save_settings(
        running.settings.home,
        {"worker": {"quiet_seconds": 2.0}, "retrain": {"min_corrections": MANY, "new_corrections": MANY}},
    )
    return open_workspace(load_settings(running.settings.home))


@pytest.fixture
def worker(workspace: Workspace) -> Iterator[subprocess.Popen[str]]:
    code = "from matcurate.cli.app import main; main()"
    command = [sys.executable, "-c", code, "--home", str(workspace.settings.home), "worker"]
    process = subprocess.Popen(command, env={**os.environ, "CURATE_HOME": ""}, stderr=subprocess.PIPE, text=True)
    yield process
    if process.poll() is None:
        process.kill()
        process.wait()


def eventually(found: Callable[[], JobRecord | None], seconds: float = 180.0) -> JobRecord:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (record := found()) is not None:
            return record
        time.sleep(0.5)
    pytest.fail(f"nothing came within {seconds} s")


def ended(workspace: Workspace, job_id: int) -> JobRecord | None:
    job = job_of(workspace, job_id)
    return job if job.state in (JobState.DONE, JobState.FAILED) else None


def micrographs(workspace: Workspace, folder: Path) -> list[MicrographRecord]:
    for index in range(3):
        image = np.random.default_rng(900 + index).normal(90, 4, SIZE)
        cv2.circle(image, (30 + 20 * index, 40), 11, 180.0, -1)
        cv2.imwrite(str(folder / f"w{index}.png"), image.clip(0, 255).astype(np.uint8))
    return list(ingest_files(workspace, [folder]).added)


def test_from_new_micrographs_to_a_snapshot(
    workspace: Workspace, worker: subprocess.Popen[str], tmp_path: Path
) -> None:
    added = micrographs(workspace, tmp_path)
    before = learning_state(workspace).usable
    asked, _ = enqueue(workspace, "presegment", "test")
    done = eventually(lambda: ended(workspace, asked.id))
    assert done.state is JobState.DONE, done.error
    assert done.result is not None and int(str(done.result["predictions"])) >= 3
    masks = {}
    project = workspace.project()
    with workspace.reading() as session:
        tasks = {link.micrograph_id: link.ls_task_id for link in list_task_links(session, project.id)}
    with label_studio_client(workspace.settings) as client:
        xml = client.projects.get(connected_project_id(workspace.settings)).label_config
        codec = RegionCodec.for_project(workspace, project, xml)
        for index, micrograph in enumerate(added):
            mask = np.zeros(SIZE, dtype=np.uint8)
            mask[10 : 20 + index, 5:60] = 1
            masks[micrograph.id] = mask
            client.annotations.create(tasks[micrograph.id], codec.encode_labels(mask, None, [0.25]), lead_time=4.0)

    def by_corrections() -> JobRecord | None:
        """The training that corrections asked for and that knows all three: they are too few."""
        for job in jobs_of(workspace):
            if (job.kind, job.trigger, job.state) == ("retrain", "corrections", JobState.DONE):
                reason = str((job.result or {})["reason"])
                if f"usable corrections, {MANY} needed" in reason and int(reason.split()[0]) >= before + 3:
                    return job
        return None

    eventually(by_corrections)
    wanted, _ = enqueue(workspace, "snapshot", "test")
    frozen = eventually(lambda: ended(workspace, wanted.id))
    assert frozen.result is not None
    with workspace.reading() as session:
        items = snapshot_items(session, snapshot_named(session, project.id, str(frozen.result["snapshot"])).id)
    own = [item for item in items if item.micrograph_id in masks]
    assert len(own) == 3
    for item in own:
        np.testing.assert_array_equal(decode_labels(workspace.objects.get(item.phases_key)), masks[item.micrograph_id])
        assert item.ratios == {"precipitate": 0.25}
    worker.send_signal(signal.SIGTERM)
    errors = worker.communicate(timeout=60)[1]
    assert worker.returncode == 0 and "Traceback" not in errors, errors


def test_versions_on_the_server(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str], running: RunningServices
) -> None:
    """Files and aliases through the MLflow server that 'curate up' starts."""
    assert workspace.settings.resolved_tracking_uri == running.services.mlflow_url
    registry = open_registry(workspace)
    (tmp_path / "weights.txt").write_text("γ'")
    with live_run(registry.uri, "training", RunReport("train")) as live:
        live.files(tmp_path / "weights.txt", "model")
    number = registry.register(live.id, "model", Origin("a" * 64, "builtin", "b" * 64, "c" * 64, "north"))
    home = str(workspace.settings.home)
    assert run(["--home", home, "models", "promote", str(number), "--why", "the first", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["version"] == number
    champion = registry.by_alias("champion")
    assert champion is not None and champion.version == number
    assert (registry.download(champion, tmp_path / "got") / "weights.txt").read_text() == "γ'"
    assert [(move.alias, move.version, move.why) for move in registry.history()] == [("champion", number, "the first")]

"""SIGKILL the worker at random moments of the loop: every job ends once, nothing is half-written.

    python tests/faults/killed_workers.py --kills 20 --seed 0
    python tests/faults/killed_workers.py --kills 6 --database postgresql://USER@HOST/NAME

With a PostgreSQL database two workers share the work, and one of them is then killed for good. Prints the figures as
JSON, and one line for each fault; exits with 1 when there is any.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import yaml
from forked import worker
from label_studio_stand_in import PROJECT, StandIn, serving

from matcurate.catalog import JobRecord, JobState, list_micrographs, list_predictions, newest_ranking
from matcurate.config import load_settings, save_settings
from matcurate.imaging.labels import decode_labels
from matcurate.jobs.queue import LOST_AFTER, jobs_of
from matcurate.labelstudio import encode_prediction, parse_labelling_config
from matcurate.services.processes import free_port
from matcurate.workflows.home import Workspace, enqueue, initialise, open_workspace, queue_client, statuses
from matcurate.workflows.ingest import Provenance, ingest_files
from matcurate.workflows.versions import load_files_of, open_registry

SIZE = (96, 160)
LOOP = ("sync", "presegment", "retrain", "rank")
PRESET = {
    "name": "tiny",
    "model": {"lora": {"rank": 2}, "plm": {"hidden": 4}},
    "train": {
        "steps": 24,
        "warmup": 2,
        "validate_every": 8,
        "checkpoint_every": 4,
        "sampling": {"crop": 64, "batch": 2},
    },
}
ENDED = {JobState.DONE, JobState.FAILED}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--images", type=int, default=140, help="Micrographs that two workers share.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--database", help="PostgreSQL: two workers, one killed for good.")
    given = parser.parse_args()
    rng, phases = random.Random(given.seed), ["precipitate"]
    stand_in = StandIn(phases)
    with tempfile.TemporaryDirectory() as folder, serving(stand_in, free_port()) as url:
        homes = [
            make_home(Path(folder), name, url, given.database) for name in ("a", "b")[: 2 if given.database else 1]
        ]
        workspace = open_workspace(load_settings(homes[0]))
        draw(workspace, Path(folder) / "images", 8)
        figures = killed_at_random(workspace, homes, stand_in, given.kills, rng)
        if given.database:
            draw(workspace, Path(folder) / "more", given.images, seed=1)
            figures |= killed_for_good(workspace, homes)
        faults = faults_of(workspace)
    print(json.dumps({**figures, "faults": faults}, indent=1))
    return 1 if faults else 0


def make_home(folder: Path, name: str, url: str, database: str | None) -> Path:
    """A home that trains in seconds; those of one folder share catalog, objects and MLflow."""
    home = folder / name
    home.mkdir()
    (home / "token").write_text("a" * 40)
    (folder / "tiny.yaml").write_text(yaml.safe_dump(PRESET))
    settings: dict[str, object] = {
        "label_studio": {"url": url, "token_file": str(home / "token"), "project_id": PROJECT},
        "retrain": {"min_corrections": 3, "preset": str(folder / "tiny.yaml")},
        "worker": {"quiet_seconds": 1.0},
    }
    if database:
        shared = {"database_url": database, "objects_url": str(folder / "objects")}
        settings |= {**shared, "tracking_uri": f"sqlite:///{folder / 'mlflow.db'}"}
    save_settings(home, settings)
    initialise(load_settings(home), "default", ("precipitate",), "phases")
    save_settings(home, settings)
    return home


def draw(workspace: Workspace, folder: Path, count: int, seed: int = 0) -> None:
    """Ingest small micrographs of discs; the last two are golden."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for index in range(count):
        image = rng.normal(90, 4, SIZE)
        cv2.circle(image, (30 + int(rng.integers(100)), 20 + int(rng.integers(60))), 14, 180.0, -1)
        path = folder / f"m{index}.png"
        cv2.imwrite(str(path), image.clip(0, 255).astype(np.uint8))
        ingest_files(workspace, [path], Provenance(None, f"S{seed} {index}", None, index >= count - 2))


def killed_at_random(
    workspace: Workspace, homes: list[Path], stand_in: StandIn, kills: int, rng: random.Random
) -> dict[str, object]:
    """Ask for the whole loop again and again while workers are killed; then let all of it end."""
    with worker(homes[0]):  # tasks and corrections for the first kills to meet
        for kind in ("presegment", "sync"):
            enqueue(workspace, kind, "faults")
            finish(workspace)
            annotate(stand_in, rng)
    began, at_hand = time.monotonic(), Counter[str]()
    for _ in range(kills):
        annotate(stand_in, rng)
        for kind in LOOP:
            enqueue(workspace, kind, "faults")
        before = starts(homes[0])
        with worker(homes[0]) as process:
            wait_until(lambda before=before: starts(homes[0]) > before, 600)  # type: ignore[misc]
            time.sleep(rng.uniform(0, 8))
            at_hand.update([job.kind for job in jobs_of(workspace) if job.state is JobState.RUNNING] or ["nothing"])
            process.kill()
    with worker(homes[0]) as process:
        finish(workspace)
        process.terminate()
        process.join(60)
        stopped = process.exitcode
    kinds = Counter(f"{job.kind} {job.state.value}" for job in jobs_of(workspace, 1000))
    return {"kills": kills, "at_hand": at_hand, "jobs": kinds, "exit": stopped, "seconds": time.monotonic() - began}


def starts(home: Path) -> int:
    """How many workers have begun to work."""
    log = home / "worker.log"
    return log.read_text().count("worker started") if log.exists() else 0


def killed_for_good(workspace: Workspace, homes: list[Path]) -> dict[str, object]:
    """Two workers share a large job; one is killed while it runs something and does not come back."""
    with worker(homes[0]) as lost, worker(homes[1]) as other:
        job, _ = enqueue(workspace, "presegment", "faults")
        for kind in ("rank", "snapshot"):
            enqueue(workspace, kind, "faults")
        owners: Counter[str] = Counter()
        wait_until(lambda: len(owners_of(workspace, owners)) > 1, 300)
        lost.kill()
        began = time.monotonic()
        finish(workspace)
        seconds = time.monotonic() - began
        other.terminate()
        other.join(60)
    with queue_client(workspace.settings) as client:
        parts = client.list_workflows(workflow_id_prefix=f"{job.workflow_id}-", load_input=False)
    by = Counter(str(part.executor_id) for part in parts)
    return {"chunks_by_worker": by, "taken_over_after_seconds": seconds, "lost_after_seconds": LOST_AFTER.seconds}


def owners_of(workspace: Workspace, owners: Counter[str]) -> Counter[str]:
    """Workers that have been seen to run something."""
    with queue_client(workspace.settings) as client:
        owners.update(str(flow.executor_id) for flow in client.list_workflows(status="PENDING", load_input=False))
    return owners


def annotate(stand_in: StandIn, rng: random.Random) -> None:
    """An expert corrects every task that the loop has made, each time a little otherwise."""
    config = parse_labelling_config(str(stand_in.project["label_config"]), ["precipitate"])
    known = {each["task"]: number for number, each in stand_in.annotations.items()}
    for task in list(stand_in.tasks):
        mask = np.zeros(SIZE, dtype=np.uint8)
        mask[20 : 50 + rng.randrange(20), 30:90] = 1
        stand_in.annotate(task, encode_prediction(mask, config), known.get(task))


def finish(workspace: Workspace) -> None:
    wait_until(lambda: all(job.state in ENDED for job in jobs_of(workspace, 1000)), 900)


def faults_of(workspace: Workspace) -> list[str]:
    """What is not as it must be when every job has ended."""
    jobs, faults = jobs_of(workspace, 1000), []
    flows = statuses(workspace, jobs)
    faults += [
        f"job {job.id} has ended, DBOS says {flows.get(job.workflow_id)}" for job in jobs if not ended(job, flows)
    ]
    faults += [f"job {job.id} ({job.kind}): {job.error}" for job in jobs if job.error and "usable" not in job.error]
    registry = open_registry(workspace)
    versions = registry.versions()
    per_job = Counter(version.tags.job for version in versions)
    faults += [f"{name} has registered {count} versions" for name, count in per_job.items() if count > 1]
    told = {job.result["model_version"] for job in jobs if job.kind == "retrain" and job.result}
    faults += [f"{version.name} belongs to no job" for version in versions if version.name not in told]
    for version in versions:
        load_files_of(registry, version)  # raises when they are damaged
    with workspace.reading() as session:
        project = workspace.project()
        micrographs = {micrograph.id: micrograph for micrograph in list_micrographs(session, project.id)}
        predictions = [each for number in range(1, 50) for each in list_predictions(session, number)]
        ranking = newest_ranking(session, project.id)
    for each in predictions:
        labels = decode_labels(workspace.objects.get(each.phases_key), each.phases_key)
        if labels.shape != micrographs[each.micrograph_id].shape:
            faults.append(f"prediction {each.id} has the shape {labels.shape}")
    if ranking is None or ranking.written_at is None:
        faults.append("no ranking was written to the end")
    return faults


def ended(job: JobRecord, flows: dict[str, str]) -> bool:
    return flows.get(job.workflow_id) == "SUCCESS" and (job.result is None) != (job.error is None)


def wait_until(holds: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())

"""What the demo shows of learning: the worker trains by itself; the champion is compared with the version before."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from matcurate.catalog.columns import utc_now
from matcurate.catalog.learning_records import JobState
from matcurate.catalog.micrographs import list_for_project
from matcurate.catalog.model_versions import version_named
from matcurate.catalog.predictions import prediction_for
from matcurate.catalog.records import MicrographRecord
from matcurate.demo.pictures import DemoSet
from matcurate.errors import CatalogError
from matcurate.imaging.labels import decode_labels, read_labels
from matcurate.jobs.kinds import JobRecord, jobs_of
from matcurate.phase.scores import mean_of, score_phases
from matcurate.types import Progress, silent
from matcurate.workflows.home import Workspace

WAIT_SECONDS = 1800.0
POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class UntouchedMicrograph:
    """One that no expert has corrected: Dice of both predictions, mean over the phases, with the known mask."""

    name: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class LearningReport:
    """What the corrections led to.

    ``model_version`` is the challenger, ``run_id`` its training in MLflow. ``why`` explains ``promoted``. ``seconds``
    run from the last correction to the new predictions on the page. ``untouched`` is empty where it was not promoted;
    ``next_images``, what Label Studio serves next in its order, also where none is connected.
    """

    model_version: str
    run_id: str
    promoted: bool
    why: str
    seconds: float
    untouched: tuple[UntouchedMicrograph, ...]
    next_images: tuple[str, ...] = ()


def follow_learning(
    workspace: Workspace, data: DemoSet, before: str, progress: Progress = silent
) -> LearningReport | None:
    """Wait for the training that the corrections triggered, and for the new champion's predictions.

    ``before`` is the version whose predictions the expert corrected. Returns None when the worker found nothing due.
    Raises CatalogError when a job failed, or the worker did not end it in time.
    """
    began, now = time.monotonic(), utc_now()
    result = _result_of(workspace, "retrain", now, progress)
    if result["run_id"] is None:
        return None
    version, promoted = str(result["model_version"]), bool(result["promoted"])
    if promoted:
        _result_of(workspace, "presegment", now, progress)
    seconds = time.monotonic() - began
    ranked = promoted and workspace.settings.label_studio.project_id is not None
    return LearningReport(
        model_version=version,
        run_id=str(result["run_id"]),
        promoted=promoted,
        why=str(result["why"]),
        seconds=seconds,
        untouched=tuple(_untouched(workspace, data, before, version)) if promoted else (),
        next_images=_next_images(_result_of(workspace, "rank", now, progress)) if ranked else (),
    )


def _next_images(ranked: Mapping[str, object]) -> tuple[str, ...]:
    """Names in the result of the job "rank"."""
    chosen = ranked["chosen"]
    return tuple(str(choice["name"]) for choice in chosen) if isinstance(chosen, list) else ()


def _result_of(workspace: Workspace, kind: str, since: datetime, progress: Progress) -> dict[str, object]:
    """Wait until the newest job of a kind has ended that had not ended before ``since``."""
    deadline = time.monotonic() + WAIT_SECONDS
    reported = ""
    while time.monotonic() < deadline:
        jobs = (job for job in jobs_of(workspace) if job.kind == kind)
        job = next((job for job in jobs if job.finished_at is None or job.finished_at >= since), None)
        if job is not None and job.state is JobState.FAILED:
            raise CatalogError(f"the worker's job {kind!r} failed: {job.error}; see logs/worker.log in the home")
        if job is not None and job.state is JobState.DONE and job.result is not None:
            return dict(job.result)
        if job is not None and (note := _note(job)) != reported:
            progress(job.done, max(job.total, 1), note)
            reported = note
        time.sleep(POLL_SECONDS)
    raise CatalogError(f"no job {kind!r} has ended in {WAIT_SECONDS:.0f} s; see logs/worker.log in the home")


def _note(job: JobRecord) -> str:
    tenths = 10 * job.done // max(job.total, 1)
    return f"the worker: {job.kind}, {tenths * 10} %" if job.state is JobState.RUNNING else f"waiting for {job.kind}"


def _untouched(workspace: Workspace, data: DemoSet, before: str, after: str) -> list[UntouchedMicrograph]:
    with workspace.reading() as session:
        micrographs = list_for_project(session, workspace.project().id)
    return [
        UntouchedMicrograph(m.name, _dice(workspace, data, m, before), _dice(workspace, data, m, after))
        for m in micrographs
        if m.content_hash in data.untouched
    ]


def _dice(workspace: Workspace, data: DemoSet, micrograph: MicrographRecord, version: str) -> float:
    project = workspace.project()
    with workspace.reading() as session:
        named = version_named(session, project.id, version)
        prediction = None if named is None else prediction_for(session, micrograph.id, named.id)
    if prediction is None:
        raise CatalogError(f"{micrograph.name} has no prediction of {version}; see logs/worker.log in the home")
    predicted = decode_labels(workspace.objects.get(prediction.phases_key), prediction.phases_key)
    truth = read_labels(data.masks[micrograph.content_hash])
    return mean_of(score_phases(predicted, truth, len(project.phases) + 1).dice) or 0.0

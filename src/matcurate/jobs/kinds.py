"""What jobs there are, and doing them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_exponential

from matcurate.catalog import JobRecord, Part, begin_job, end_job
from matcurate.errors import CatalogError, CurateError
from matcurate.jobs.reporter import JobReporter
from matcurate.jobs.schedule import SCHEDULED
from matcurate.types import Progress
from matcurate.workflows.home import (
    CORRECTIONS,
    PROMOTION,
    SCHEDULE,
    Workspace,
    add_or_hasten,
    label_studio_client,
    submit,
)
from matcurate.workflows.iterate import collect_answers, iterate, put_questions
from matcurate.workflows.labelling import pull_corrections, push_project
from matcurate.workflows.presegment import Learned, Selection, choose_presegmenter, presegment_micrographs
from matcurate.workflows.ranking import as_document as ranking_document
from matcurate.workflows.ranking import open_scorer, rank_project
from matcurate.workflows.snapshots import take_snapshot
from matcurate.workflows.training import as_document
from matcurate.workflows.training.retrain import retrain

log = logging.getLogger(__name__)

Result = Mapping[str, object]
Run = Callable[[Workspace, JobRecord, Progress], Result]
"""Does the work of a job."""


@dataclass(frozen=True, slots=True)
class JobKind:
    """A kind of work: its name, in one line what it does, and what does it."""

    name: str
    purpose: str
    run: Run


def _sync(workspace: Workspace, job: JobRecord, progress: Progress) -> Result:
    with label_studio_client(workspace.settings) as client:
        report = pull_corrections(workspace, client, progress=progress)
    return {**report.outcomes, "failed": list(report.failed)}


def _presegment(workspace: Workspace, job: JobRecord, progress: Progress) -> Result:
    """Predict what is new; a champion predicts everything again that it has not seen."""
    segmenter = choose_presegmenter(workspace)
    selection: Selection = "all" if isinstance(segmenter, Learned) else "new"
    connected = workspace.settings.label_studio.project_id is not None
    scorer = open_scorer(workspace, segmenter) if job.trigger == PROMOTION and connected else None  # ranking follows
    report = presegment_micrographs(workspace, segmenter, selection, progress=progress, scorer=scorer)
    result: dict[str, object] = {"predicted": len(report.done), "failed": list(report.failed)}
    if connected:
        with label_studio_client(workspace.settings) as client:
            pushed = push_project(workspace, client, segmenter.version, progress)
        result |= {"tasks": pushed.tasks, "predictions": pushed.predictions}
    return {**result, "model_version": segmenter.version}


def _snapshot(workspace: Workspace, job: JobRecord, progress: Progress) -> Result:
    progress(0, 1)
    report = take_snapshot(workspace)
    return {
        "snapshot": report.snapshot.name,
        "added": report.added,
        "train": report.count(Part.TRAIN),
        "validation": report.count(Part.VALIDATION),
        "refused": [f"{each.micrograph}: {each.reason}" for each in report.refused],
    }


def _retrain(workspace: Workspace, job: JobRecord, progress: Progress) -> Result:
    """Train; a person is not asked whether it is due."""
    if_due = job.trigger in (SCHEDULE, CORRECTIONS)
    return as_document(retrain(workspace, if_due=if_due, progress=progress, job=job.workflow_id))


def _iterate(workspace: Workspace, job: JobRecord, progress: Progress) -> Result:
    """Take the names that experts have given in Label Studio, ask about what is unknown, train when nothing is."""
    with label_studio_client(workspace.settings) as client:
        report = iterate(workspace, names=collect_answers(workspace, client), progress=progress)
        asked = put_questions(workspace, client, report.questions, progress)[1] if report.waiting else 0
    version = None if report.segmenter is None else report.segmenter.version
    return {"classes": list(report.classes), "asked": asked, "waiting": report.waiting, "model_version": version}


def _rank(workspace: Workspace, job: JobRecord, progress: Progress) -> Result:
    return ranking_document(rank_project(workspace, workspace.settings.rank, job.trigger, progress))


KINDS: Mapping[str, JobKind] = {
    kind.name: kind
    for kind in (
        JobKind("sync", "pull corrections from Label Studio", _sync),
        JobKind("presegment", "predict what the model has not seen, and push it to Label Studio", _presegment),
        JobKind("snapshot", "freeze the usable corrections", _snapshot),
        JobKind("retrain", "train on the corrections (when that is due, unless a person asks), and promote", _retrain),
        JobKind("iterate", "ask in Label Studio what unknown regions are, and train on the named ones", _iterate),
        JobKind("rank", "choose what the experts see next, and let Label Studio serve it first", _rank),
    )
}


_patient = retry(
    retry=retry_if_exception_type(CatalogError), wait=wait_exponential(max=30), stop=stop_after_delay(300), reraise=True
)
"""A catalog that is busy or restarts fails no job."""


@_patient
def begin(workspace: Workspace, job_id: int) -> JobRecord | None:
    """Note that a job runs; None when it was cancelled."""
    with workspace.writing() as session:
        return begin_job(session, job_id)


def work(workspace: Workspace, job: JobRecord, stopping: threading.Event, predicted: int = 0) -> dict[str, object]:
    """Do a job's work: its ``result``, or the ``error`` that it failed with.

    ``predicted``: how many micrographs all workers together have predicted for it before.

    Raises KeyboardInterrupt at the next progress report once ``stopping`` is set, or when the job was cancelled.
    """
    try:
        result = dict(_kind(job.kind).run(workspace, job, JobReporter(workspace, job.id, stopping)))
        if isinstance(own := result.get("predicted"), int):
            result["predicted"] = own + predicted
        return {"result": result}
    except CurateError as error:
        log.warning("job %d (%s): %s", job.id, job.kind, error)
        return {"error": str(error)}
    except Exception as error:  # a defect: it is written down, and the worker goes on
        log.exception("job %d (%s)", job.id, job.kind)
        return {"error": f"defect: {type(error).__name__}: {error}"}


@_patient
def end(workspace: Workspace, job: JobRecord, outcome: Mapping[str, object]) -> None:
    """Store what came of a job together with the job that follows it: both or neither, and once."""
    project = workspace.project()
    with workspace.writing() as session:
        ended = end_job(session, job.id, **outcome)  # type: ignore[arg-type]
        following = _following(workspace, job) if ended else None
        added = [] if following is None else [add_or_hasten(session, project.id, *following)[0]]
    submit(workspace, project, added)


def _kind(name: str) -> JobKind:
    if name not in KINDS:
        raise CatalogError(f"there is no job {name!r}; there are: {', '.join(KINDS)}")
    return KINDS[name]


def _following(workspace: Workspace, job: JobRecord) -> tuple[str, str] | None:
    """Kind and trigger of what the schedule wants after this job, or of the new champion's order of micrographs."""
    if job.trigger == SCHEDULE and job.kind in SCHEDULED[:-1]:
        return SCHEDULED[SCHEDULED.index(job.kind) + 1], SCHEDULE
    if (job.kind, job.trigger) == ("presegment", PROMOTION) and workspace.settings.label_studio.project_id is not None:
        return "rank", PROMOTION
    return None

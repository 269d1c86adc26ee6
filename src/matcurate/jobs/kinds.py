"""Work for the worker: asking for it, doing it, and the kinds there are.

The catalog's job table is the truth: asking needs nothing but the catalog, so a request handler does it in
milliseconds, and nothing is lost while no worker runs. The worker's queue only carries the ids of jobs that are ready.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from matcurate.catalog.jobs import (
    begin_job,
    fail_job,
    finish_job,
    get_job,
    give_up_lost_jobs,
    list_jobs,
    ready_jobs,
    requeue_job,
)
from matcurate.catalog.learning_records import JobRecord as JobRecord  # entry points name the type
from matcurate.catalog.learning_records import Part
from matcurate.errors import CatalogError, CurateError
from matcurate.jobs.reporter import JobReporter
from matcurate.types import Progress
from matcurate.workflows.home import CORRECTIONS, PROMOTION, SCHEDULE, Workspace, ask
from matcurate.workflows.snapshots import take_snapshot

log = logging.getLogger(__name__)


Result = Mapping[str, object]
Run = Callable[[Workspace, str, Progress], Result]
"""Does the work; told who or what has asked for it."""


@dataclass(frozen=True, slots=True)
class JobKind:
    """A kind of work: what it is called, in one line what it does, and what does it."""

    name: str
    purpose: str
    run: Run


def _sync(workspace: Workspace, trigger: str, progress: Progress) -> Result:
    from matcurate.workflows.home import label_studio_client
    from matcurate.workflows.labelling import pull_corrections

    with label_studio_client(workspace.settings) as client:
        report = pull_corrections(workspace, client, progress=progress)
    return {**report.outcomes, "failed": list(report.failed)}


def _presegment(workspace: Workspace, trigger: str, progress: Progress) -> Result:
    """Predict what is new; a champion predicts everything again that it has not seen."""
    from matcurate.workflows.home import label_studio_client
    from matcurate.workflows.labelling import push_project
    from matcurate.workflows.presegment import Learned, Selection, choose_presegmenter, presegment_micrographs

    segmenter = choose_presegmenter(workspace)
    selection: Selection = "all" if isinstance(segmenter, Learned) else "new"
    scorer = None
    if trigger == PROMOTION and workspace.settings.label_studio.project_id is not None:
        from matcurate.workflows.ranking import open_scorer  # torch, as below

        scorer = open_scorer(workspace, segmenter)  # ranking follows
    report = presegment_micrographs(workspace, segmenter, selection, progress=progress, scorer=scorer)
    result: dict[str, object] = {"predicted": len(report.done), "failed": list(report.failed)}
    if workspace.settings.label_studio.project_id is not None:
        with label_studio_client(workspace.settings) as client:
            pushed = push_project(workspace, client, segmenter.version, progress)
        result |= {"tasks": pushed.tasks, "predictions": pushed.predictions}
    return {**result, "model_version": segmenter.version}


def _snapshot(workspace: Workspace, trigger: str, progress: Progress) -> Result:
    progress(0, 1)
    report = take_snapshot(workspace)
    return {
        "snapshot": report.snapshot.name,
        "added": report.added,
        "train": report.count(Part.TRAIN),
        "validation": report.count(Part.VALIDATION),
        "refused": [f"{each.micrograph}: {each.reason}" for each in report.refused],
    }


def _retrain(workspace: Workspace, trigger: str, progress: Progress) -> Result:
    """Train; a person is not asked whether it is due."""
    # torch and MLflow take seconds to import, which asking for a job need not pay.
    from matcurate.workflows.training import as_document
    from matcurate.workflows.training.retrain import retrain

    return as_document(retrain(workspace, if_due=trigger in (SCHEDULE, CORRECTIONS), progress=progress))


def _rank(workspace: Workspace, trigger: str, progress: Progress) -> Result:
    from matcurate.workflows.ranking import as_document, rank_project  # torch, as above

    return as_document(rank_project(workspace, workspace.settings.rank, trigger, progress))


KINDS: Mapping[str, JobKind] = {
    kind.name: kind
    for kind in (
        JobKind("sync", "pull corrections from Label Studio", _sync),
        JobKind("presegment", "predict what the model has not seen, and push it to Label Studio", _presegment),
        JobKind("snapshot", "freeze the usable corrections", _snapshot),
        JobKind("retrain", "train on the corrections (when that is due, unless a person asks), and promote", _retrain),
        JobKind("rank", "choose what the experts see next, and let Label Studio serve it first", _rank),
    )
}
SCHEDULED = ("sync", "presegment", "retrain")
"""What a schedule asks for: one after the other, each when the one before has ended, well or not."""


def run_job(workspace: Workspace, job_id: int, stopping: threading.Event) -> JobRecord | None:
    """Do a job that waits. None when it is not to be done now: it has been, or another of its kind runs.

    Parameters
    ----------
    workspace : Workspace
        The open installation.
    job_id : int
        Which.
    stopping : threading.Event
        When set, the job is stopped at its next progress report and waits again.

    Raises
    ------
    KeyboardInterrupt
        When it was stopped.
    """
    project = workspace.project()
    with workspace.writing() as session:
        job = begin_job(session, project.id, job_id)
    if job is None:
        return None
    reporter = JobReporter(workspace, job.id, stopping)
    try:
        with reporter.heartbeat():
            result = _kind(job.kind).run(workspace, job.trigger, reporter)
    except CurateError as error:
        log.warning("job %d (%s): %s", job.id, job.kind, error)
        _fail(workspace, job.id, str(error))
    except KeyboardInterrupt:
        wait_again(workspace, job.id)
        raise
    except BaseException as error:  # a defect: it is written down and goes on
        _fail(workspace, job.id, f"defect: {type(error).__name__}: {error}")
        raise
    else:
        with workspace.writing() as session:
            finish_job(session, job.id, result)
    _go_on(workspace, job)
    return job_of(workspace, job.id)


def wait_again(workspace: Workspace, job_id: int) -> None:
    """Let a job that was stopped wait for the next worker, unless another of its kind waits already."""
    with workspace.writing() as session:
        requeue_job(session, job_id)


def ready(workspace: Workspace) -> list[JobRecord]:
    """The project's jobs that may begin now, the oldest first."""
    project = workspace.project()
    with workspace.reading() as session:
        return ready_jobs(session, project.id)


def give_up_lost(workspace: Workspace) -> int:
    """Mark jobs as failed whose worker is gone; returns how many."""
    with workspace.writing() as session:
        return give_up_lost_jobs(session)


def jobs_of(workspace: Workspace, limit: int = 50) -> list[JobRecord]:
    """The project's jobs, newest first."""
    project = workspace.project()
    with workspace.reading() as session:
        return list_jobs(session, project.id, limit)


def job_of(workspace: Workspace, job_id: int) -> JobRecord:
    """One of the project's jobs; raises CatalogError when there is none of that id."""
    project = workspace.project()
    with workspace.reading() as session:
        return get_job(session, project.id, job_id)


def _kind(name: str) -> JobKind:
    if name not in KINDS:
        raise CatalogError(f"there is no job {name!r}; there are: {', '.join(KINDS)}")
    return KINDS[name]


def _fail(workspace: Workspace, job_id: int, error: str) -> None:
    with workspace.writing() as session:
        fail_job(session, job_id, error)


def _go_on(workspace: Workspace, job: JobRecord) -> None:
    """Ask for what the schedule wants after this job, and for the new champion's order when it has predicted."""
    if job.trigger == SCHEDULE and job.kind in SCHEDULED[:-1]:
        ask(workspace, SCHEDULED[SCHEDULED.index(job.kind) + 1], SCHEDULE)
    if (job.kind, job.trigger) == ("presegment", PROMOTION) and workspace.settings.label_studio.project_id is not None:
        ask(workspace, "rank", PROMOTION)

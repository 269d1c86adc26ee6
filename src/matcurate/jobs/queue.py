"""Jobs as the catalog and DBOS's queue know them: shown, cancelled, put back where a worker is gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from matcurate.catalog import JobRecord as JobRecord  # entry points name the type
from matcurate.catalog import JobState, end_job, get_job, list_jobs, requeue_job, unfinished_jobs, workers_alive
from matcurate.errors import CatalogError
from matcurate.workflows.home import Workspace, chunk_queue_name, queue_client, queue_name, statuses, submit

LOST_AFTER = timedelta(seconds=60)
"""What a worker ran that was not heard of for this long waits for another one."""
KILLS = 20
"""A job whose worker was killed more often than this while it ran has failed: it may be what kills the worker."""

_STATES = {
    **{"DELAYED": JobState.QUEUED, "ENQUEUED": JobState.QUEUED, "PENDING": JobState.RUNNING},
    "SUCCESS": JobState.RUNNING,  # it has ended in the catalog since that was read
}
_REASONS = {
    "CANCELLED": "cancelled",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": f"the worker was killed {KILLS} times while it ran this",
}


def jobs_of(workspace: Workspace, limit: int = 50) -> list[JobRecord]:
    """The project's jobs, newest first."""
    project = workspace.project()
    with workspace.reading() as session:
        jobs = list_jobs(session, project.id, limit)
    return _as_queued(workspace, jobs)


def job_of(workspace: Workspace, job_id: int) -> JobRecord:
    """One of the project's jobs; raises CatalogError when there is none of that id."""
    project = workspace.project()
    with workspace.reading() as session:
        job = get_job(session, project.id, job_id)
    return _as_queued(workspace, [job])[0]


def cancel(workspace: Workspace, job_id: int, who: str) -> JobRecord:
    """Take a job from the queue, or stop it at its next progress report; raises CatalogError when it has ended."""
    job = job_of(workspace, job_id)
    with workspace.writing() as session:
        if not end_job(session, job.id, error=f"cancelled by {who}"):
            raise CatalogError(f"job {job.id} has ended already ({job.state.value}); 'curate jobs show' says how")
    with queue_client(workspace.settings) as client:
        parts = client.list_workflows(workflow_id_prefix=f"{job.workflow_id}-", load_input=False, load_output=False)
        client.cancel_workflows([job.workflow_id, *(part.workflow_id for part in parts)])
    return job_of(workspace, job_id)


def reconcile(workspace: Workspace) -> None:
    """Give DBOS the jobs that it does not know (of an earlier version, of a process that was killed while asking).

    What DBOS has given up is noted in the catalog.
    """
    project = workspace.project()
    with workspace.reading() as session:
        jobs = unfinished_jobs(session, project.id)
    known = statuses(workspace, jobs)
    submit(workspace, project, [job for job in jobs if job.workflow_id not in known])
    for job in _as_queued(workspace, jobs):
        if job.state is JobState.FAILED:
            with workspace.writing() as session:
                end_job(session, job.id, error=job.error)


def take_over(workspace: Workspace) -> int:
    """Let what workers ran that are gone wait for another worker; returns how many workflows these were."""
    with workspace.reading() as session:
        alive = workers_alive(session, LOST_AFTER)
    return _put_back(workspace, lambda worker: worker not in alive)


def put_back(workspace: Workspace, worker: str) -> int:
    """Let what a worker runs wait for the next one: it stops; returns how many workflows these were."""
    return _put_back(workspace, worker.__eq__)


def _put_back(workspace: Workspace, gone: Callable[[str], bool]) -> int:
    project = workspace.project()
    names = [queue_name(project), chunk_queue_name(project)]
    with queue_client(workspace.settings) as client:
        running = client.list_workflows(status="PENDING", queue_name=names, load_input=False, load_output=False)
        lost = [flow for flow in running if flow.executor_id is not None and gone(flow.executor_id)]
        for flow in lost:
            client.resume_workflows([flow.workflow_id], queue_name=flow.queue_name)
    with workspace.writing() as session:
        for job in unfinished_jobs(session, project.id):
            if job.workflow_id in {flow.workflow_id for flow in lost}:
                requeue_job(session, job.id)
    return len(lost)


def _as_queued(workspace: Workspace, jobs: list[JobRecord]) -> list[JobRecord]:
    """Jobs with the states of the queue; what has ended is in the catalog alone."""
    known = statuses(workspace, [job for job in jobs if job.finished_at is None])
    return [job if job.finished_at is not None else _as_status(job, known.get(job.workflow_id)) for job in jobs]


def _as_status(job: JobRecord, status: str | None) -> JobRecord:
    state = JobState.QUEUED if status is None else _STATES.get(status, JobState.FAILED)
    started = None if state is JobState.QUEUED else job.started_at
    error = _REASONS.get(status or "", "defect: see the worker's log") if state is JobState.FAILED else None
    return replace(job, state=state, started_at=started, error=error)

"""The job queue: DBOS's tables, in a file of the home or in PostgreSQL. Asking needs no worker."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from matcurate.catalog import JobRecord as JobRecord  # entry points name the type
from matcurate.catalog import ProjectRecord, add_job, reschedule, utc_now
from matcurate.config import Settings, WorkerSettings
from matcurate.errors import CatalogError
from matcurate.workflows.home.workspace import Workspace

if TYPE_CHECKING:
    from dbos import DBOSClient, EnqueueOptions

KINDS = ("sync", "presegment", "snapshot", "retrain", "iterate", "rank")
"""Names of the jobs there are; :mod:`matcurate.jobs.kinds` says what each does."""

SCHEDULE, CORRECTIONS, PROMOTION = "schedule", "corrections", "promotion"
"""Who asks for jobs beside people."""

AFTER_CORRECTIONS = "retrain"
"""What new corrections ask for, once they have stopped coming for a while."""

JOB = "job"
"""DBOS's name of the workflow that does a job."""


def enqueue(workspace: Workspace, kind: str, trigger: str) -> tuple[JobRecord, bool]:
    """Ask for a job at once; one of its kind that waits is brought forward.

    Returns the job that waits, and whether it is new. Raises CatalogError when there is no such kind.
    """
    project = workspace.project()
    with workspace.writing() as session:
        job, added = add_or_hasten(session, project.id, kind, trigger)
    submit(workspace, project, [job])
    return job, added


def after_corrections(workspace: Workspace) -> JobRecord:
    """Ask for what new corrections call for; every further one puts it off a little."""
    project, now = workspace.project(), utc_now()
    with workspace.writing() as session:
        job, _ = add_job(session, project.id, AFTER_CORRECTIONS, CORRECTIONS)
        if job.trigger != CORRECTIONS:
            return job  # a person or the schedule has asked already: no reason to wait longer
        job = reschedule(session, job.id, quiet_until(job.created_at, now, workspace.settings.worker))
    submit(workspace, project, [job])
    return job


def quiet_until(first: datetime, now: datetime, settings: WorkerSettings) -> datetime:
    """When work for corrections begins: a quiet while after the newest, at most a longest wait after the first."""
    quiet = now + timedelta(seconds=settings.quiet_seconds)
    return min(quiet, first + timedelta(seconds=settings.longest_wait_seconds))


def add_or_hasten(session: Session, project_id: int, kind: str, trigger: str) -> tuple[JobRecord, bool]:
    """Write down that a job is asked for, or that the one of its kind that waits shall begin now."""
    if kind not in KINDS:
        raise CatalogError(f"there is no job {kind!r}; there are: {', '.join(KINDS)}")
    job, added = add_job(session, project_id, kind, trigger)
    return (job, True) if added else (reschedule(session, job.id, utc_now(), trigger), False)


def submit(workspace: Workspace, project: ProjectRecord, jobs: Sequence[JobRecord]) -> None:
    """Put jobs into DBOS's queue, or move those that wait there to their moment; doing it again changes nothing.

    A process that is killed before it comes to this loses no job: workers submit what the catalog has and DBOS not.
    """
    with queue_client(workspace.settings) as client:
        for job in jobs:
            wait = (job.not_before - utc_now()).total_seconds()
            options: EnqueueOptions = {
                "workflow_name": JOB,
                "queue_name": queue_name(project),
                "queue_partition_key": job.kind,
                "workflow_id": job.workflow_id,
            }
            if wait > 0:
                options["delay_seconds"] = wait
            client.enqueue(options, job.id)
            client.set_workflow_delay(job.workflow_id, delay_until_epoch_ms=int(job.not_before.timestamp() * 1000))


def statuses(workspace: Workspace, jobs: Sequence[JobRecord]) -> Mapping[str, str]:
    """DBOS's status of those of the jobs that it knows, by the workflow's id."""
    names = [job.workflow_id for job in jobs]
    if not names:
        return {}
    with queue_client(workspace.settings) as client:
        flows = client.list_workflows(workflow_ids=names, load_input=False, load_output=False)
    return {flow.workflow_id: flow.status for flow in flows}


def queue_name(project: ProjectRecord) -> str:
    """One queue for each project, whatever the address of its catalog: several may share one database."""
    return f"matcurate-{project.created_at:%Y%m%d%H%M%S%f}"


def chunk_queue_name(project: ProjectRecord) -> str:
    """The queue of the parts of large jobs."""
    return f"{queue_name(project)}-chunks"


@contextmanager
def queue_client(settings: Settings) -> Iterator[DBOSClient]:
    """DBOS for those who are no worker. Raises CatalogError when its database cannot be used."""
    url = settings.resolved_queue_url
    try:
        yield _client(url)
    except SQLAlchemyError as error:
        where = make_url(url).render_as_string(hide_password=True)
        raise CatalogError(f"the job queue {where} cannot be used: {error}; check worker.queue_url") from error


@lru_cache(maxsize=8)
def _client(url: str) -> DBOSClient:
    from dbos import DBOS, DBOSClient, DBOSPortableJSONSerializer  # half a second

    file = make_url(url).database
    if url.startswith("sqlite") and file is not None:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")  # those who look do not wait for those who write
    DBOS.migrate(url)
    return DBOSClient(system_database_url=url, serializer=DBOSPortableJSONSerializer(), retry_connection_errors=False)

"""Asking for work: what is written to the catalog waits there for a worker."""

from __future__ import annotations

from datetime import datetime, timedelta

from matcurate.catalog.columns import utc_now
from matcurate.catalog.jobs import (
    put_off,
    queue_job,
)
from matcurate.catalog.learning_records import JobRecord as JobRecord  # entry points name the type
from matcurate.config import WorkerSettings
from matcurate.errors import CatalogError
from matcurate.workflows.home.workspace import Workspace

KINDS = ("sync", "presegment", "snapshot", "retrain", "rank")
"""Names of the jobs there are; :mod:`matcurate.jobs.kinds` says what each does."""

SCHEDULE, CORRECTIONS, PROMOTION = "schedule", "corrections", "promotion"
"""Who asks for jobs beside people."""

AFTER_CORRECTIONS = "retrain"
"""What new corrections ask for, once they have stopped coming for a while."""


def ask(workspace: Workspace, kind: str, trigger: str) -> tuple[JobRecord, bool]:
    """Ask for a job at once; one of its kind that waits is brought forward.

    Returns
    -------
    record : JobRecord
        The job that waits.
    added : bool
        Whether it is new.

    Raises
    ------
    CatalogError
        When there is no such kind.
    """
    if kind not in KINDS:
        raise CatalogError(f"there is no job {kind!r}; there are: {', '.join(KINDS)}")
    project = workspace.project()
    with workspace.writing() as session:
        record, added = queue_job(session, project.id, kind, trigger)
        return (record, True) if added else (put_off(session, record.id, utc_now(), trigger), False)


def after_corrections(workspace: Workspace) -> JobRecord:
    """Ask for what new corrections call for; every further one puts it off a little."""
    project, now = workspace.project(), utc_now()
    with workspace.writing() as session:
        record, _ = queue_job(session, project.id, AFTER_CORRECTIONS, CORRECTIONS)
        if record.trigger != CORRECTIONS:
            return record  # a person or the schedule has asked already: no reason to wait longer
        return put_off(session, record.id, quiet_until(record.created_at, now, workspace.settings.worker))


def quiet_until(first: datetime, now: datetime, settings: WorkerSettings) -> datetime:
    """When work for corrections begins: a quiet while after the newest, at most a longest wait after the first."""
    quiet = now + timedelta(seconds=settings.quiet_seconds)
    return min(quiet, first + timedelta(seconds=settings.longest_wait_seconds))

"""Jobs and the schedule: what waits for the worker, what runs, what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import func, update
from sqlmodel import Session, col, delete, select

from matcurate.catalog.columns import utc_now
from matcurate.catalog.insertion import insert_if_absent
from matcurate.catalog.learning_records import JobRecord, JobState, ScheduleRecord
from matcurate.catalog.learning_tables import WAITING, Job, Schedule
from matcurate.errors import CatalogError

LEASE = timedelta(minutes=2)
"""A running job whose worker has not been heard of for so long has been given up by it."""


def queue_job(
    session: Session, project_id: int, kind: str, trigger: str, not_before: datetime | None = None
) -> tuple[JobRecord, bool]:
    """Ask for a job. One of its kind that waits already is the answer, as it is.

    Returns
    -------
    record : JobRecord
        The job that waits.
    added : bool
        Whether it is new.
    """
    now = utc_now()
    row = Job(
        project_id=project_id,
        kind=kind,
        trigger=trigger,
        state=JobState.QUEUED.value,
        created_at=now,
        not_before=not_before or now,
    )
    added = insert_if_absent(session, row, ["project_id", "kind"], WAITING)
    waiting = _waiting(session, project_id, kind)
    if waiting is None:  # begun between the two statements: PostgreSQL, another worker
        return queue_job(session, project_id, kind, trigger, not_before)
    return _record(waiting), added


def put_off(session: Session, job_id: int, not_before: datetime, trigger: str | None = None) -> JobRecord:
    """Let a job that waits begin at another moment, and name what asked for that."""
    row = _get(session, job_id)
    if row.state == JobState.QUEUED.value:
        row.not_before = not_before
        row.trigger = trigger or row.trigger
        session.flush()
    return _record(row)


def ready_jobs(session: Session, project_id: int, now: datetime | None = None) -> list[JobRecord]:
    """Jobs of a project that may begin, the oldest first."""
    query = select(Job).where(
        Job.project_id == project_id, Job.state == JobState.QUEUED.value, col(Job.not_before) <= (now or utc_now())
    )
    return [_record(row) for row in session.exec(query.order_by(col(Job.id)))]


def begin_job(session: Session, project_id: int, job_id: int) -> JobRecord | None:
    """Take a job to run it; None when the project has none that waits under this id, or another of its kind runs.

    A job whose worker is gone (:data:`LEASE`) is marked as failed first, so that it blocks nobody.
    """
    now = utc_now()
    give_up_lost_jobs(session, now)
    mine = select(Job).where(Job.id == job_id, Job.project_id == project_id)
    row = session.exec(mine.with_for_update()).one_or_none()
    if row is None or row.state != JobState.QUEUED.value:
        return None
    rival = select(Job.id).where(
        Job.project_id == row.project_id, Job.kind == row.kind, Job.state == JobState.RUNNING.value
    )
    if session.exec(rival).first() is not None:
        return None
    row.state, row.started_at, row.alive_at = JobState.RUNNING.value, now, now
    row.done, row.total, row.note, row.error = 0, 0, "", None
    session.flush()
    return _record(row)


def give_up_lost_jobs(session: Session, now: datetime | None = None) -> int:
    """Mark running jobs as failed whose worker was not heard of for :data:`LEASE`; returns how many."""
    at = now or utc_now()
    lost = session.exec(
        update(Job)
        .where(col(Job.state) == JobState.RUNNING.value, col(Job.alive_at) < at - LEASE)
        .values(
            state=JobState.FAILED.value,
            finished_at=at,
            error="the worker that ran it is gone; start 'curate worker' and ask again",
        )
        .returning(col(Job.id))
    )
    return len(lost.all())


def report_progress(session: Session, job_id: int, done: int, total: int, note: str) -> None:
    """Note how far a running job has come."""
    _while_running(session, job_id, done=done, total=total, note=note, alive_at=utc_now())


def keep_alive(session: Session, job_id: int) -> None:
    """Note that the worker of a running job is there."""
    _while_running(session, job_id, alive_at=utc_now())


def finish_job(session: Session, job_id: int, result: Mapping[str, object]) -> None:
    """Note what came of a job; values that JSON can hold."""
    _while_running(session, job_id, state=JobState.DONE.value, result=dict(result), finished_at=utc_now())


def fail_job(session: Session, job_id: int, error: str) -> None:
    """Note why a job could not be done."""
    _while_running(session, job_id, state=JobState.FAILED.value, error=error, finished_at=utc_now())


def requeue_job(session: Session, job_id: int) -> None:
    """Let a job that was stopped wait again; when another of its kind waits, that one stands for it."""
    row = _get(session, job_id)
    if row.state != JobState.RUNNING.value:
        return
    if _waiting(session, row.project_id, row.kind) is not None:
        fail_job(session, job_id, "the worker was stopped; another job of this kind waits")
        return
    row.state, row.started_at, row.alive_at = JobState.QUEUED.value, None, None
    session.flush()


def get_job(session: Session, project_id: int, job_id: int) -> JobRecord:
    """Return a job of a project.

    Raises
    ------
    CatalogError
        When it has none of that id.
    """
    row = _get(session, job_id)
    if row.project_id != project_id:
        raise CatalogError(f"job {job_id} belongs to another project; set CURATE_PROJECT to its name")
    return _record(row)


def list_jobs(session: Session, project_id: int, limit: int = 50) -> list[JobRecord]:
    """Jobs of a project, newest first."""
    query = select(Job).where(Job.project_id == project_id).order_by(col(Job.id).desc()).limit(limit)
    return [_record(row) for row in session.exec(query)]


def set_schedule(session: Session, project_id: int, cron: str) -> ScheduleRecord:
    """Store when a project's scheduled jobs are queued."""
    row = session.get(Schedule, project_id) or Schedule(project_id=project_id, cron=cron)
    row.cron, row.set_at = cron, utc_now()
    session.add(row)
    session.flush()
    return ScheduleRecord(**row.model_dump())


def get_schedule(session: Session, project_id: int) -> ScheduleRecord | None:
    """Return a project's schedule, None when it has none."""
    row = session.get(Schedule, project_id)
    return None if row is None else ScheduleRecord(**row.model_dump())


def remove_schedule(session: Session, project_id: int) -> bool:
    """Forget a project's schedule; returns whether there was one."""
    gone = session.exec(delete(Schedule).where(col(Schedule.project_id) == project_id).returning(col(Schedule.cron)))
    return gone.first() is not None


def mark_fired(session: Session, project_id: int, minute: datetime) -> bool:
    """Note that a schedule fires in ``minute``; False when another worker was first."""
    fired = session.exec(
        update(Schedule)
        .where(
            col(Schedule.project_id) == project_id,
            func.coalesce(col(Schedule.fired_at) < minute, True),
        )
        .values(fired_at=minute)
        .returning(col(Schedule.project_id))
    )
    return fired.first() is not None


def _waiting(session: Session, project_id: int, kind: str) -> Job | None:
    query = select(Job).where(Job.project_id == project_id, Job.kind == kind, Job.state == JobState.QUEUED.value)
    return session.exec(query).one_or_none()


def _while_running(session: Session, job_id: int, **values: object) -> None:
    session.exec(update(Job).where(col(Job.id) == job_id, col(Job.state) == JobState.RUNNING.value).values(**values))


def _get(session: Session, job_id: int) -> Job:
    row = session.get(Job, job_id)
    if row is None:
        raise CatalogError(f"there is no job {job_id}; 'curate jobs' shows what there is")
    return row


def _record(row: Job) -> JobRecord:
    return JobRecord(state=JobState(row.state), **row.model_dump(exclude={"state"}))

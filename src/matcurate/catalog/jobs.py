"""Jobs, workers and the schedule: what was asked for, what became of it, and who works."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import func, update
from sqlmodel import Session, col, delete, select

from matcurate.catalog.columns import utc_now
from matcurate.catalog.insertion import insert_if_absent
from matcurate.catalog.learning_records import JobRecord, JobState, ScheduleRecord
from matcurate.catalog.learning_tables import WAITING, Job, Schedule, Worker
from matcurate.errors import CatalogError


def add_job(
    session: Session, project_id: int, kind: str, trigger: str, not_before: datetime | None = None
) -> tuple[JobRecord, bool]:
    """Add a job unless one of its kind waits; returns the one that waits, and whether it is new."""
    now = utc_now()
    row = Job(project_id=project_id, kind=kind, trigger=trigger, created_at=now, not_before=not_before or now)
    added = insert_if_absent(session, row, ["project_id", "kind"], WAITING)
    waiting = _waiting(session, project_id, kind)
    if waiting is None:  # begun between the two statements: PostgreSQL, another worker
        return add_job(session, project_id, kind, trigger, not_before)
    return _record(waiting), added


def reschedule(session: Session, job_id: int, not_before: datetime, trigger: str | None = None) -> JobRecord:
    """Let a job that waits begin at another moment, and name what asked for that."""
    row = _get(session, job_id)
    if row.started_at is None and row.finished_at is None:
        row.not_before = not_before
        row.trigger = trigger or row.trigger
        session.flush()
    return _record(row)


def begin_job(session: Session, job_id: int) -> JobRecord | None:
    """Note that a job runs, also one whose last worker was killed; None when it has ended (cancelled)."""
    row = session.exec(select(Job).where(Job.id == job_id).with_for_update()).one_or_none()
    if row is None or row.finished_at is not None:
        return None
    row.started_at = row.started_at or utc_now()
    row.done, row.total, row.note = 0, 0, ""
    session.flush()
    return _record(row)


def report_progress(session: Session, job_id: int, note: str, progress: tuple[int, int] | None = None) -> bool:
    """Note what is at hand, and how much of how much is done; False when the job has ended (cancelled)."""
    counts = {} if progress is None else dict(zip(("done", "total"), progress, strict=True))
    return _unless_finished(session, job_id, note=note, **counts)


def end_job(
    session: Session, job_id: int, result: Mapping[str, object] | None = None, error: str | None = None
) -> bool:
    """Note what came of a job, in values that JSON can hold, or why it failed; False when it had ended before."""
    kept = None if result is None else dict(result)
    return _unless_finished(session, job_id, result=kept, error=error, finished_at=utc_now())


def requeue_job(session: Session, job_id: int) -> None:
    """Let a job that was stopped count as waiting again, unless another of its kind waits."""
    row = _get(session, job_id)
    if row.finished_at is None and _waiting(session, row.project_id, row.kind) is None:
        row.started_at = None
        session.flush()


def get_job(session: Session, project_id: int, job_id: int) -> JobRecord:
    """Return a job of a project; raises CatalogError when it has none of that id."""
    row = _get(session, job_id)
    if row.project_id != project_id:
        raise CatalogError(f"job {job_id} belongs to another project; set CURATE_PROJECT to its name")
    return _record(row)


def list_jobs(session: Session, project_id: int, limit: int = 50) -> list[JobRecord]:
    """Jobs of a project, newest first."""
    query = select(Job).where(Job.project_id == project_id).order_by(col(Job.id).desc()).limit(limit)
    return [_record(row) for row in session.exec(query)]


def unfinished_jobs(session: Session, project_id: int) -> list[JobRecord]:
    """Jobs of a project that wait or run, oldest first."""
    query = select(Job).where(Job.project_id == project_id, col(Job.finished_at).is_(None)).order_by(col(Job.id))
    return [_record(row) for row in session.exec(query)]


def keep_alive(session: Session, worker: str) -> None:
    """Note that a worker is there."""
    session.merge(Worker(name=worker, alive_at=utc_now()))


def workers_alive(session: Session, within: timedelta) -> set[str]:
    """Names of the workers that were heard of ``within`` that time."""
    return set(session.exec(select(Worker.name).where(col(Worker.alive_at) > utc_now() - within)))


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
        .where(col(Schedule.project_id) == project_id, func.coalesce(col(Schedule.fired_at) < minute, True))
        .values(fired_at=minute)
        .returning(col(Schedule.project_id))
    )
    return fired.first() is not None


def _waiting(session: Session, project_id: int, kind: str) -> Job | None:
    return session.exec(select(Job).where(Job.project_id == project_id, Job.kind == kind, WAITING)).one_or_none()


def _unless_finished(session: Session, job_id: int, **values: object) -> bool:
    open_row = (col(Job.id) == job_id) & col(Job.finished_at).is_(None)
    return session.exec(update(Job).where(open_row).values(**values).returning(col(Job.id))).first() is not None


def _get(session: Session, job_id: int) -> Job:
    row = session.get(Job, job_id)
    if row is None:
        raise CatalogError(f"there is no job {job_id}; 'curate jobs' shows what there is")
    return row


def _record(row: Job) -> JobRecord:
    if row.finished_at is not None:
        state = JobState.DONE if row.error is None else JobState.FAILED
    else:
        state = JobState.QUEUED if row.started_at is None else JobState.RUNNING
    return JobRecord(state=state, **row.model_dump())

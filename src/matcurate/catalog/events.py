"""The inbox of webhooks: stored before they are answered, each handled once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, or_, update
from sqlmodel import Session, col, select

from matcurate.catalog.columns import utc_now
from matcurate.catalog.tables import Event

MAX_ATTEMPTS = 8
"""After so many failures an event is left for a person: it stays, and :func:`given_up` lists it."""
LEASE = timedelta(minutes=5)
"""How long a claimed event is left to the process that claimed it."""


@dataclass(frozen=True, slots=True)
class EventRecord:
    """A webhook in the inbox."""

    id: int
    action: str
    ls_project_id: int | None
    ls_task_id: int | None
    ls_annotation_id: int | None
    payload: Mapping[str, object]
    received_at: datetime
    handled_at: datetime | None
    attempts: int
    error: str | None


def enqueue(
    session: Session,
    action: str,
    payload: Mapping[str, object],
    *,
    ls_project_id: int | None = None,
    ls_task_id: int | None = None,
    ls_annotation_id: int | None = None,
) -> EventRecord:
    """Put a webhook into the inbox.

    Parameters
    ----------
    session : Session
        A writing one.
    action : str
        Label Studio's name of what happened.
    payload : mapping
        What handling it needs, without masks; values that JSON can hold.
    ls_project_id, ls_task_id, ls_annotation_id : int, optional
        What it is about.
    """
    row = Event(
        action=action,
        payload=dict(payload),
        ls_project_id=ls_project_id,
        ls_task_id=ls_task_id,
        ls_annotation_id=ls_annotation_id,
    )
    session.add(row)
    session.flush()
    return _record(row)


def pending(session: Session, limit: int = 100) -> list[EventRecord]:
    """Events that wait to be handled, oldest first, claimed ones too."""
    query = select(Event).where(_open()).order_by(col(Event.id)).limit(limit)
    return [_record(row) for row in session.exec(query)]


def count_pending(session: Session) -> int:
    """Count the events that wait to be handled."""
    return session.exec(select(func.count()).select_from(Event).where(_open())).one()


def given_up(session: Session) -> list[EventRecord]:
    """Events that failed too often, oldest first; their ``error`` says why."""
    query = select(Event).where(col(Event.handled_at).is_(None), Event.attempts >= MAX_ATTEMPTS)
    return [_record(row) for row in session.exec(query.order_by(col(Event.id)))]


def claim(session: Session, limit: int = 20, lease: timedelta = LEASE) -> list[EventRecord]:
    """Take the oldest waiting events, so that no other process takes them before ``lease`` is over.

    Commit at once, handle them outside of the transaction, then call :func:`mark_handled` or :func:`mark_failed`.

    Parameters
    ----------
    session : Session
        A writing one.
    limit : int
        How many at most.
    lease : timedelta
        After it, events neither handled nor failed (a crash) can be claimed again.
    """
    now = utc_now()
    waiting = (
        select(Event.id)
        .where(_open(), or_(col(Event.claimed_until).is_(None), col(Event.claimed_until) <= now))
        .order_by(col(Event.id))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = session.exec(waiting).all()
    session.exec(
        update(Event)
        .where(col(Event.id).in_(ids))
        .values(claimed_until=now + lease, attempts=Event.attempts + 1)
        .execution_options(synchronize_session=False)
    )
    query = select(Event).where(col(Event.id).in_(ids)).order_by(col(Event.id))
    return [_record(row) for row in session.exec(query.execution_options(populate_existing=True))]


def mark_handled(session: Session, event_id: int) -> None:
    """Note that an event is done with; it stays in the catalog."""
    session.exec(
        update(Event)
        .where(col(Event.id) == event_id, col(Event.handled_at).is_(None))
        .values(handled_at=utc_now(), claimed_until=None, error=None)
    )


def mark_failed(
    session: Session, event: EventRecord, error: str, retry_after: timedelta = timedelta(), *, counted: bool = True
) -> None:
    """Note why an event could not be handled; it waits to be claimed again.

    Does nothing when the event has been claimed anew in the meantime (the lease was over).

    Parameters
    ----------
    session : Session
        A writing one.
    event : EventRecord
        As :func:`claim` gave it.
    error : str
        One line.
    retry_after : timedelta
        How long to leave it alone.
    counted : bool
        Whether it counts towards ``MAX_ATTEMPTS``. False when the event is not to blame: Label Studio is down.
    """
    session.exec(
        update(Event)
        .where(col(Event.id) == event.id, col(Event.handled_at).is_(None), col(Event.attempts) == event.attempts)
        .values(
            claimed_until=utc_now() + retry_after,
            error=error,
            attempts=event.attempts if counted else event.attempts - 1,
        )
    )


def _open() -> ColumnElement[bool]:
    return col(Event.handled_at).is_(None) & (col(Event.attempts) < MAX_ATTEMPTS)


def _record(row: Event) -> EventRecord:
    return EventRecord(**row.model_dump(exclude={"claimed_until"}))

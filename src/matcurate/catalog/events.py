"""Webhooks that wait to be handled: stored before they are answered, kept afterwards."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, update
from sqlmodel import Session, col, select

from matcurate.catalog.columns import utc_now
from matcurate.catalog.tables import Event


@dataclass(frozen=True, slots=True)
class EventRecord:
    """A webhook about one annotation; ``error`` says why it could not be handled."""

    id: int
    action: str
    ls_project_id: int | None
    ls_annotation_id: int | None
    received_at: datetime
    handled_at: datetime | None
    error: str | None


def add_events(session: Session, action: str, ls_project_id: int | None, ls_annotation_ids: Sequence[int]) -> None:
    """Store a webhook, one row for each annotation it is about; ``action`` is Label Studio's name of what happened."""
    rows = [
        {"action": action, "ls_project_id": ls_project_id, "ls_annotation_id": annotation_id, "received_at": utc_now()}
        for annotation_id in ls_annotation_ids
    ]
    if rows:
        session.connection().execute(insert(Event), rows)


def pending(session: Session, limit: int = 100) -> list[EventRecord]:
    """Events that wait to be handled, oldest first."""
    query = select(Event).where(col(Event.handled_at).is_(None)).order_by(col(Event.id)).limit(limit)
    return [EventRecord(**row.model_dump()) for row in session.exec(query)]


def count_pending(session: Session) -> int:
    """Count the events that wait to be handled."""
    return session.exec(select(func.count()).select_from(Event).where(col(Event.handled_at).is_(None))).one()


def mark_handled(session: Session, ids: Collection[int], error: str | None = None) -> None:
    """Note that events are done with, or why they could not be handled; they stay in the catalog."""
    session.exec(update(Event).where(col(Event.id).in_(ids)).values(handled_at=utc_now(), error=error))

"""Who moved which model alias, when and why. Rows are only ever appended."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, col, select

from matcurate.catalog.columns import utc_now
from matcurate.catalog.conversion import all_values, to_value
from matcurate.catalog.learning_records import AliasChangeRecord
from matcurate.catalog.learning_tables import AliasChange


def append_alias_change(
    session: Session,
    project_id: int,
    alias: str,
    *,
    version: int | None,
    previous: int | None,
    who: str,
    why: str,
    at: datetime | None = None,
) -> AliasChangeRecord:
    """Note that an alias goes from the version ``previous`` to ``version``; ValueError when who or why is empty."""
    if not who.strip() or not why.strip():
        raise ValueError(f"alias {alias!r} is not moved without who and why")
    row = AliasChange(
        project_id=project_id,
        alias=alias,
        version=version,
        previous=previous,
        who=who,
        why=why,
        changed_at=at or utc_now(),
    )
    session.add(row)
    session.flush()
    return to_value(AliasChangeRecord, row)


def alias_history(session: Session, project_id: int, alias: str | None = None) -> list[AliasChangeRecord]:
    """Moves of a project's aliases (or of one), oldest first."""
    query = select(AliasChange).where(AliasChange.project_id == project_id)
    if alias is not None:
        query = query.where(AliasChange.alias == alias)
    return all_values(session, AliasChangeRecord, query.order_by(col(AliasChange.id)))

"""Inserting a row unless it is there already, without a race."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import TextClause
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from matcurate.catalog.columns import CatalogTable


def insert_if_absent(
    session: Session, row: CatalogTable, unique: Sequence[str], where: TextClause | None = None
) -> bool:
    """Insert ``row`` unless one with the same ``unique`` columns exists.

    Returns whether it was inserted; it is not attached to the session: select it. Its ``id``, where it has one, is left
    to the database. ``unique`` are the columns of a unique constraint, or of a partial index with the condition
    ``where``. When another transaction is just inserting it, PostgreSQL waits for that one to end; SQLite's writers
    come one after the other. Every other broken rule still raises.
    """
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(type(row)).values(row.model_dump(exclude={"id"}))
    # RETURNING, since not every driver counts the rows of such an insert
    statement = statement.on_conflict_do_nothing(index_elements=list(unique), index_where=where)
    return session.exec(statement.returning(getattr(type(row), unique[0]))).first() is not None

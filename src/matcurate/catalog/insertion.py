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

    When another transaction is just inserting it, PostgreSQL waits for that one to end; SQLite's writers come one
    after the other. Every other broken rule still raises.

    Parameters
    ----------
    session : Session
        A writing one.
    row : CatalogTable
        Values to insert; its ``id``, where it has one, is left to the database.
    unique : sequence of str
        Columns of a unique constraint.
    where : TextClause, optional
        Condition of the unique index, where it is a partial one.

    Returns
    -------
    bool
        Whether the row was inserted. It is not attached to the session: select it.
    """
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(type(row)).values(row.model_dump(exclude={"id"}))
    # RETURNING, since not every driver counts the rows of such an insert
    statement = statement.on_conflict_do_nothing(index_elements=list(unique), index_where=where)
    return session.exec(statement.returning(getattr(type(row), unique[0]))).first() is not None

"""Alembic's entry: runs the migrations over the connection it is given."""

from __future__ import annotations

from typing import Literal

from alembic import context
from sqlalchemy import TypeDecorator

from matcurate.catalog.class_tables import METADATA
from matcurate.catalog.schema import VERSION_TABLE


def render_plain(kind: str, column_type: object, _: object) -> str | Literal[False]:
    """Write a decorated type as what the database stores, so that old migrations never depend on new code."""
    if kind == "type" and isinstance(column_type, TypeDecorator):
        return f"sa.{column_type.impl_instance!r}"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    render_as_batch=True,
    transactional_ddl=True,
    render_item=render_plain,
)
with context.begin_transaction():
    context.run_migrations()

"""Column types and the base class shared by the catalog's tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, DateTime, Dialect, MetaData, TypeDecorator
from sqlmodel import Field, SQLModel

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
"""Every constraint has a name, so that a later migration can change it on SQLite and PostgreSQL alike."""

NullableJson = JSON(none_as_null=True)
"""JSON in which a Python None is an SQL NULL, not the JSON text ``null``."""


class UtcDateTime(TypeDecorator[datetime]):
    """Moments in UTC. A naive datetime is refused; what is read back is always aware, also from SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an aware moment into UTC."""
        if value is not None and value.tzinfo is None:
            raise ValueError(f"the catalog stores moments with a time zone, got the naive {value.isoformat()}")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Mark what SQLite gives back without a zone as the UTC it is."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class CatalogTable(SQLModel):
    """Base of the tables; keeps them in a metadata of their own."""

    metadata: ClassVar[Any] = MetaData(naming_convention=NAMING)


class NumberedTable(CatalogTable):
    """Base of the tables whose rows the database numbers."""

    id: int = Field(default=None, primary_key=True)


def utc_now() -> datetime:
    """Return this moment, in UTC."""
    return datetime.now(UTC)

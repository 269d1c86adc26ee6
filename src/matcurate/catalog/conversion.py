"""Rows to frozen values and back: what the columns of a table and the fields of a value share goes by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, TypeVar

from sqlmodel import Session
from sqlmodel.sql.expression import SelectOfScalar

from matcurate.catalog.columns import CatalogTable

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Value = TypeVar("Value", bound="DataclassInstance")
Row = TypeVar("Row", bound=CatalogTable)


def to_value(kind: type[Value], row: CatalogTable, **more: object) -> Value:
    """Copy the columns of ``row`` that ``kind`` has as fields, lists as tuples; ``more`` goes before them."""
    columns = {field.name for field in fields(kind)} - more.keys()
    return kind(**more, **{name: _frozen(getattr(row, name)) for name in columns})


def to_row(table: type[Row], value: DataclassInstance, **more: object) -> Row:
    """Make a row of the fields of ``value`` that ``table`` has as columns, and of ``more``."""
    columns = {field.name for field in fields(value)} & table.model_fields.keys() - more.keys()
    return table(**more, **{name: _plain(getattr(value, name)) for name in columns})


def one_value(session: Session, kind: type[Value], query: SelectOfScalar[Row]) -> Value | None:
    """Return the value of the only row that ``query`` finds, None when it finds none."""
    row = session.exec(query).one_or_none()
    return None if row is None else to_value(kind, row)


def all_values(session: Session, kind: type[Value], query: SelectOfScalar[Row]) -> list[Value]:
    """Return the values of all rows that ``query`` finds, in its order."""
    return [to_value(kind, row) for row in session.exec(query)]


def _frozen(stored: object) -> object:
    return tuple(stored) if isinstance(stored, list) else stored


def _plain(given: object) -> object:
    """What JSON columns take."""
    if isinstance(given, tuple):
        return list(given)
    return dict(given) if isinstance(given, Mapping) else given

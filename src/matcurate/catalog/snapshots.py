"""Snapshots: immutable versions of a project's training data. None is changed or deleted."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from sqlmodel import Session, col, select

from matcurate.catalog.columns import utc_now
from matcurate.catalog.conversion import to_row, to_value
from matcurate.catalog.insertion import insert_if_absent
from matcurate.catalog.learning_records import NewSnapshot, Part, Refusal, SnapshotItemRecord, SnapshotRecord
from matcurate.catalog.learning_tables import Snapshot, SnapshotItem
from matcurate.errors import CatalogError

SHORTEST_NAME = 6
"""Digits of a digest that name a snapshot at least."""


def store_snapshot(session: Session, new: NewSnapshot) -> tuple[SnapshotRecord, bool]:
    """Store a snapshot, and return it and whether its content is new to the project."""
    row = to_row(Snapshot, new, refused=[asdict(refusal) for refusal in new.refused])
    added = insert_if_absent(session, row, ["project_id", "digest"])
    stored = session.exec(
        select(Snapshot).where(Snapshot.project_id == new.project_id, Snapshot.digest == new.digest)
    ).one()
    if added:
        session.add_all(to_row(SnapshotItem, item, snapshot_id=stored.id) for item in new.items)
        session.flush()
    return _record(stored), added


def snapshot_named(session: Session, project_id: int, name: str) -> SnapshotRecord:
    """Return the snapshot whose digest begins with ``name`` (six digits or more); CatalogError when not exactly one."""
    snapshots = list_snapshots(session, project_id)
    matches = [snapshot for snapshot in snapshots if snapshot.digest.startswith(name)]
    if len(name) < SHORTEST_NAME or len(matches) != 1:
        newest = ", ".join(snapshot.name for snapshot in snapshots[:5]) or "none"
        raise CatalogError(f"{len(matches)} snapshots begin with {name!r}; name one by its digest (newest: {newest})")
    return matches[0]


def list_snapshots(session: Session, project_id: int) -> list[SnapshotRecord]:
    """Snapshots of a project, newest first."""
    query = select(Snapshot).where(Snapshot.project_id == project_id).order_by(col(Snapshot.id).desc())
    return [_record(row) for row in session.exec(query)]


def snapshot_items(session: Session, snapshot_id: int, part: Part | None = None) -> list[SnapshotItemRecord]:
    """Micrographs of a snapshot (or of one part of it), in the order of their content hashes."""
    query = select(SnapshotItem).where(SnapshotItem.snapshot_id == snapshot_id)
    if part is not None:
        query = query.where(SnapshotItem.part == part.value)
    rows = session.exec(query.order_by(col(SnapshotItem.content_hash)))
    return [to_value(SnapshotItemRecord, row, part=Part(row.part)) for row in rows]


def last_trained(session: Session, project_id: int) -> SnapshotRecord | None:
    """Return the snapshot that was trained on last, None when none ever was."""
    query = select(Snapshot).where(Snapshot.project_id == project_id, col(Snapshot.trained_at).is_not(None))
    row = session.exec(query.order_by(col(Snapshot.trained_at).desc(), col(Snapshot.id).desc()).limit(1)).one_or_none()
    return None if row is None else _record(row)


def mark_trained(session: Session, snapshot_id: int, at: datetime | None = None) -> None:
    """Note that a training on a snapshot has ended, whatever became of its model."""
    row = session.get(Snapshot, snapshot_id)
    if row is None:
        raise CatalogError(f"no snapshot {snapshot_id} in the catalog; make one first")
    row.trained_at = at or utc_now()
    session.flush()


def _record(row: Snapshot) -> SnapshotRecord:
    return to_value(SnapshotRecord, row, refused=tuple(Refusal(**refusal) for refusal in row.refused))

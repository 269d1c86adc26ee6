"""Snapshots: immutable versions of a project's training data. None is changed or deleted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from matcurate.catalog.columns import utc_now
from matcurate.catalog.insertion import insert_if_absent
from matcurate.catalog.learning_records import NewSnapshot, Part, Refusal, SnapshotItemRecord, SnapshotRecord
from matcurate.catalog.learning_tables import Snapshot, SnapshotItem
from matcurate.errors import CatalogError

SHORTEST_NAME = 6
"""Digits of a digest that name a snapshot at least."""


def store_snapshot(session: Session, new: NewSnapshot) -> tuple[SnapshotRecord, bool]:
    """Store a snapshot; one of the same content is not stored again.

    Returns
    -------
    record : SnapshotRecord
        The snapshot in the catalog.
    added : bool
        Whether its content is new to the project.
    """
    row = Snapshot(
        project_id=new.project_id,
        digest=new.digest,
        phases=list(new.phases),
        seed=new.seed,
        validation_share=new.validation_share,
        refused=[{"micrograph": each.micrograph, "reason": each.reason} for each in new.refused],
    )
    added = insert_if_absent(session, row, ["project_id", "digest"])
    stored = session.exec(
        select(Snapshot).where(Snapshot.project_id == new.project_id, Snapshot.digest == new.digest)
    ).one()
    if added:
        session.add_all(_row(stored.id, item) for item in new.items)
        session.flush()
    return _record(stored), added


def snapshot_named(session: Session, project_id: int, name: str) -> SnapshotRecord:
    """Return the snapshot whose digest begins with ``name`` (six digits or more).

    Raises
    ------
    CatalogError
        When there is none, or more than one.
    """
    found = [each for each in list_snapshots(session, project_id) if each.digest.startswith(name)]
    if len(name) < SHORTEST_NAME or len(found) != 1:
        known = ", ".join(each.name for each in list_snapshots(session, project_id)[:5]) or "none"
        raise CatalogError(f"{len(found)} snapshots begin with {name!r}; name one by its digest (newest: {known})")
    return found[0]


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
    return [_item(row) for row in rows]


def last_trained(session: Session, project_id: int) -> SnapshotRecord | None:
    """Return the snapshot that was trained on last, None when none ever was."""
    query = select(Snapshot).where(Snapshot.project_id == project_id, col(Snapshot.trained_at).is_not(None))
    row = session.exec(query.order_by(col(Snapshot.trained_at).desc(), col(Snapshot.id).desc()).limit(1)).one_or_none()
    return None if row is None else _record(row)


def mark_trained(session: Session, snapshot_id: int, at: datetime | None = None) -> None:
    """Note that a training on a snapshot has ended, whatever became of its model.

    Raises
    ------
    CatalogError
        When there is no such snapshot.
    """
    row = session.get(Snapshot, snapshot_id)
    if row is None:
        raise CatalogError(f"no snapshot {snapshot_id} in the catalog; make one first")
    row.trained_at = at or utc_now()
    session.flush()


def _row(snapshot_id: int, item: SnapshotItemRecord) -> SnapshotItem:
    return SnapshotItem(
        snapshot_id=snapshot_id,
        micrograph_id=item.micrograph_id,
        correction_id=item.correction_id,
        part=item.part.value,
        content_hash=item.content_hash,
        phases_key=item.phases_key,
        instances_key=item.instances_key,
        ratios=None if item.ratios is None else dict(item.ratios),
        nm_per_px=item.nm_per_px,
        nm_per_px_y=item.nm_per_px_y,
        lab=item.lab,
        specimen=item.specimen,
        ignores_bars=item.ignores_bars,
    )


def _item(row: SnapshotItem) -> SnapshotItemRecord:
    return SnapshotItemRecord(part=Part(row.part), **row.model_dump(exclude={"snapshot_id", "part"}))


def _record(row: Snapshot) -> SnapshotRecord:
    return SnapshotRecord(
        id=row.id,
        project_id=row.project_id,
        digest=row.digest,
        phases=tuple(row.phases),
        seed=row.seed,
        validation_share=row.validation_share,
        refused=_refusals(row.refused),
        created_at=row.created_at,
        trained_at=row.trained_at,
    )


def _refusals(stored: Sequence[dict[str, str]]) -> tuple[Refusal, ...]:
    return tuple(Refusal(each["micrograph"], each["reason"]) for each in stored)

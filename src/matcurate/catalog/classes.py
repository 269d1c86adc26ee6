"""Microstructure classes of a project, the micrographs that show them, and the heads that know them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlmodel import Session, col, select

from matcurate.catalog.class_records import (
    Box,
    ClassHeadRecord,
    ClassRecord,
    MemberRecord,
    NewClassHead,
    RegionRecord,
)
from matcurate.catalog.class_tables import ClassHead, ClassMember, CropEmbedding, MicrostructureClass, TexturePart
from matcurate.catalog.columns import utc_now
from matcurate.catalog.conversion import one_value, to_row, to_value
from matcurate.catalog.insertion import insert_if_absent
from matcurate.errors import CatalogError


def list_classes(session: Session, project_id: int) -> list[ClassRecord]:
    """All classes of a project in the order they were named; merged ones have no channel."""
    rows = _rows(session, project_id)
    channels = {row.id: number for number, row in enumerate(row for row in rows if row.merged_into is None)}
    by_id = {row.id: row for row in rows}
    into = {row.id: _present(by_id, row).name for row in rows if row.merged_into is not None}
    return [to_value(ClassRecord, row, channel=channels.get(row.id), merged_into=into.get(row.id)) for row in rows]


def list_members(session: Session, project_id: int) -> list[MemberRecord]:
    """Every box that was named, in the order of micrographs; of merged classes under their present name."""
    by_id = {row.id: row for row in _rows(session, project_id)}
    query = select(ClassMember).where(ClassMember.project_id == project_id)
    ordered = query.order_by(col(ClassMember.micrograph_id), col(ClassMember.top), col(ClassMember.left))
    return [
        to_value(
            MemberRecord,
            row,
            box=to_value(Box, row),
            class_name=_present(by_id, by_id[row.class_id]).name,
            named_as=by_id[row.class_id].name,
        )
        for row in session.exec(ordered)
    ]


def name_class(
    session: Session, project_id: int, name: str, boxes: Sequence[tuple[int, Box]], who: str
) -> tuple[ClassRecord, bool]:
    """Note that boxes of micrographs (by id) show a class; a box that was named before is renamed.

    Returns the class and whether it is new. Raises CatalogError when it was merged into another, a micrograph is not
    in the project, or a class would be left without micrographs.
    """
    added = insert_if_absent(
        session, MicrostructureClass(project_id=project_id, name=name, named_by=who), ["project_id", "name"]
    )
    record = class_named(session, project_id, name)
    for micrograph_id, box in boxes:
        values = {"project_id": project_id, "micrograph_id": micrograph_id, **asdict(box)}
        insert_if_absent(session, ClassMember(**values, class_id=record.id, named_by=who), list(values))
        row = session.exec(select(ClassMember).filter_by(**values)).one()
        if row.class_id != record.id:
            row.class_id, row.named_by, row.named_at = record.id, who, utc_now()
    session.flush()
    shown = {member.class_name for member in list_members(session, project_id)}
    for other in list_classes(session, project_id):
        if other.channel is not None and other.name not in shown:
            raise CatalogError(
                f"class {other.name!r} would have no micrograph left; run 'curate classes merge' with {other.name!r} "
                f"and {name!r} if they are one, or name another micrograph {other.name!r} first"
            )
    return class_named(session, project_id, name), added


def merge_classes(session: Session, project_id: int, old: str, into: str, who: str) -> ClassRecord:
    """Give the micrographs of ``old``, whose output of the head goes, to ``into``, and return that class.

    Raises CatalogError when one of them is not there or was merged already, or both are the same.
    """
    gone, stays = class_named(session, project_id, old), class_named(session, project_id, into)
    if gone.id == stays.id:
        raise CatalogError(f"{old!r} cannot be merged into itself; name two classes")
    row = session.get_one(MicrostructureClass, gone.id)
    row.merged_into, row.merged_by, row.merged_at = stays.id, who, utc_now()
    session.flush()
    return class_named(session, project_id, into)


def class_named(session: Session, project_id: int, name: str) -> ClassRecord:
    """Return the class of that name; CatalogError when there is none, or it was merged into another."""
    classes = {record.name: record for record in list_classes(session, project_id)}
    if name not in classes:
        raise CatalogError(f"no class {name!r} ({', '.join(classes) or 'none yet'}); 'curate classes name' adds one")
    record = classes[name]
    if record.merged_into is not None:
        raise CatalogError(f"class {name!r} was merged into {record.merged_into!r}; use that one, or choose a new name")
    return record


def append_head(session: Session, project_id: int, new: NewClassHead, after: int) -> ClassHeadRecord:
    """Store a head as the project's newest, after the one of number ``after`` (0: the first).

    Raises CatalogError when another one has been stored since: nothing of this transaction may then stay.
    """
    newest = newest_head(session, project_id)
    if (newest.number if newest else 0) != after:
        raise CatalogError("somebody else has named classes in the meantime; nothing was changed, run it again")
    row = to_row(ClassHead, new, project_id=project_id, number=after + 1)
    session.add(row)
    session.flush()
    return to_value(ClassHeadRecord, row)


def newest_head(session: Session, project_id: int) -> ClassHeadRecord | None:
    """Return the head that counts, None before the first class."""
    query = select(ClassHead).where(ClassHead.project_id == project_id).order_by(col(ClassHead.number).desc()).limit(1)
    return one_value(session, ClassHeadRecord, query)


def embedding_key(session: Session, micrograph_id: int, embedder_sha256: str, crop: int, box: Box) -> str | None:
    """Key of the stored embeddings of a box's crops, None when there are none."""
    row = session.get(CropEmbedding, (micrograph_id, embedder_sha256, crop, box.top, box.left, box.height, box.width))
    return None if row is None else row.object_key


def store_embedding(
    session: Session, micrograph_id: int, embedder_sha256: str, crop: int, box: Box, object_key: str
) -> None:
    """Note where the embeddings of a box's crops are; those noted first stay."""
    values = {"micrograph_id": micrograph_id, "embedder_sha256": embedder_sha256, "crop": crop, **asdict(box)}
    insert_if_absent(session, CropEmbedding(**values, object_key=object_key), list(values))


def stored_regions(session: Session, micrograph_id: int, method: str, crop: int) -> tuple[RegionRecord, ...] | None:
    """Regions of one texture in a micrograph, for crops of this edge; None when they have not been looked for."""
    row = session.get(TexturePart, (micrograph_id, method, crop))
    if row is None:
        return None
    return tuple(RegionRecord(Box(*(int(side) for side in sides)), share) for *sides, share in row.regions)


def store_regions(
    session: Session, micrograph_id: int, method: str, crop: int, regions: Sequence[RegionRecord]
) -> None:
    """Note what regions a micrograph has; those noted first stay."""
    sides = [[*asdict(region.box).values(), region.share] for region in regions]
    row = TexturePart(micrograph_id=micrograph_id, method=method, crop=crop, regions=sides)
    insert_if_absent(session, row, ["micrograph_id", "method", "crop"])


def _rows(session: Session, project_id: int) -> list[MicrostructureClass]:
    query = select(MicrostructureClass).where(MicrostructureClass.project_id == project_id)
    return list(session.exec(query.order_by(col(MicrostructureClass.id))))


def _present(by_id: dict[int, MicrostructureClass], row: MicrostructureClass) -> MicrostructureClass:
    """The class at the end of a chain of mergers; a merged one is never merged into, so that there is no ring."""
    while row.merged_into is not None:
        row = by_id[row.merged_into]
    return row

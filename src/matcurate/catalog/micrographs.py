"""Micrographs, the labs and specimens they come from, and the projects that work on them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sqlalchemy import exists
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import Select

from matcurate.catalog.conversion import to_row, to_value
from matcurate.catalog.corrections import is_usable
from matcurate.catalog.insertion import insert_if_absent
from matcurate.catalog.records import MicrographRecord, NewMicrograph
from matcurate.catalog.tables import (
    Correction,
    Lab,
    LabelStudioTask,
    Micrograph,
    Prediction,
    ProjectMicrograph,
    Specimen,
)
from matcurate.errors import CatalogError
from matcurate.types import Calibration

DEFAULT_LAB = "local"
"""The lab of a specimen for which none was named."""
CALIBRATION_TOLERANCE = 1e-6
"""Relative difference up to which two nm_per_px are one: files keep it as 32-bit floats and fractions."""


def add_micrograph(session: Session, new: NewMicrograph, project_id: int) -> tuple[MicrographRecord, bool]:
    """Add an image to a project; one whose content is known is not added again.

    What is given about a known image (calibration, lab, specimen, golden) fills what was not known of it. Returns the
    micrograph as it now is, and whether it is new to the project. Raises CatalogError, and changes nothing, when the
    image is known with another calibration, lab or specimen.
    """
    blank = to_row(Micrograph, new, nm_per_px=None, nm_per_px_y=None, golden=False, acquisition=None)
    insert_if_absent(session, blank, ["content_hash"])
    row = session.exec(select(Micrograph).where(Micrograph.content_hash == new.content_hash).with_for_update()).one()
    _fill(session, row, new)
    added = insert_if_absent(
        session,
        ProjectMicrograph(project_id=project_id, micrograph_id=row.id),
        ["project_id", "micrograph_id"],
    )
    return get_micrograph(session, row.id), added


def get_micrograph(session: Session, micrograph_id: int) -> MicrographRecord:
    """Return the micrograph of that id, or raise CatalogError."""
    joined = session.exec(_select().where(Micrograph.id == micrograph_id)).one_or_none()
    if joined is None:
        raise CatalogError(f"no micrograph {micrograph_id} in the catalog; 'curate ingest PATH' adds images")
    return _record(*joined)


def micrograph_of_hash(session: Session, content_hash: str) -> MicrographRecord | None:
    """Return the micrograph of that content, None when it is not known."""
    joined = session.exec(_select().where(Micrograph.content_hash == content_hash)).one_or_none()
    return None if joined is None else _record(*joined)


def list_micrographs(
    session: Session,
    project_id: int,
    *,
    without_prediction_of: int | None = None,
    ids: Sequence[int] | None = None,
    golden: bool = False,
    corrected: bool = False,
) -> list[MicrographRecord]:
    """Micrographs of a project, oldest first.

    ``without_prediction_of``: only those that this model version has not pre-segmented; ``ids``: only these, and
    CatalogError when one is not in the project; ``golden``: only the golden set; ``corrected``: only those with a
    usable correction.
    """
    query = _in_project(project_id)
    if ids is not None:
        query = query.where(col(Micrograph.id).in_(ids))
        missing = sorted(set(ids) - {micrograph.id for micrograph, _, _ in session.exec(query)})
        if missing:
            raise CatalogError(
                f"micrograph {', '.join(map(str, missing))} is not in this project; 'curate ingest PATH' adds images"
            )
    if without_prediction_of is not None:
        query = query.where(
            ~exists().where(
                col(Prediction.micrograph_id) == Micrograph.id,
                col(Prediction.model_version_id) == without_prediction_of,
            )
        )
    if golden:
        query = query.where(col(Micrograph.golden))
    if corrected:
        query = query.where(exists().where(col(Correction.micrograph_id) == Micrograph.id, is_usable(project_id)))
    return [_record(*joined) for joined in session.exec(query)]


def set_ignores_bars(session: Session, micrograph_id: int, ignores_bars: bool) -> bool:
    """Set whether the data bar and scale bars of a micrograph are ignored; returns whether that changed anything."""
    get_micrograph(session, micrograph_id)
    row = session.get_one(Micrograph, micrograph_id)
    changed = row.ignores_bars != ignores_bars
    row.ignores_bars = ignores_bars
    session.flush()
    return changed


def unpushed_micrographs(session: Session, project_id: int, ls_project_id: int) -> list[MicrographRecord]:
    """Micrographs of a project for which this Label Studio project has no task (any more), oldest first."""
    query = _in_project(project_id).where(
        ~exists().where(
            col(LabelStudioTask.project_id) == project_id,
            col(LabelStudioTask.ls_project_id) == ls_project_id,
            col(LabelStudioTask.micrograph_id) == Micrograph.id,
            col(LabelStudioTask.gone_at).is_(None),
        )
    )
    return [_record(*joined) for joined in session.exec(query)]


def _fill(session: Session, row: Micrograph, new: NewMicrograph) -> None:
    """Complete ``row`` by what ``new`` gives; every contradiction is found before anything is changed."""
    stored, given = Calibration.of_edges(row.nm_per_px, row.nm_per_px_y), new.calibration
    if stored is not None and given is not None and not _same(stored, given):
        raise _contradiction(new, f"{_shown(stored)} nm per px", _shown(given), "--nm-per-px")
    lab = _lab_of(session, row, new)
    lab_id = row.lab_id if lab is None else lab.id
    specimen = _specimen_of(session, row, new, lab_id)
    if row.nm_per_px is None:
        row.nm_per_px, row.nm_per_px_y = new.nm_per_px, new.nm_per_px_y
    row.acquisition = dict(new.acquisition) if row.acquisition is None and new.acquisition else row.acquisition
    row.lab_id = lab_id
    row.specimen_id = row.specimen_id if specimen is None else specimen.id
    row.golden = row.golden or new.golden
    session.flush()


def _same(one: Calibration, other: Calibration) -> bool:
    edges = ((one.nm_per_px, other.nm_per_px), (one.nm_per_px_y, other.nm_per_px_y))
    return all(math.isclose(*pair, rel_tol=CALIBRATION_TOLERANCE) for pair in edges)


def _shown(calibration: Calibration) -> str:
    """Width of a pixel, and its height where it is another."""
    width = f"{calibration.nm_per_px:g}"
    return width if calibration.aspect == 1 else f"{width} x {calibration.nm_per_px_y:g}"


def _lab_of(session: Session, row: Micrograph, new: NewMicrograph) -> Lab | None:
    name = new.lab or (DEFAULT_LAB if new.specimen and row.lab_id is None else None)
    if name is None:
        return None
    insert_if_absent(session, Lab(name=name), ["name"])
    lab = session.exec(select(Lab).where(Lab.name == name)).one()
    if row.lab_id not in {None, lab.id}:
        stored = session.get_one(Lab, row.lab_id).name
        raise _contradiction(new, f"lab {stored!r}", repr(name), "--lab")
    return lab


def _specimen_of(session: Session, row: Micrograph, new: NewMicrograph, lab_id: int | None) -> Specimen | None:
    if new.specimen is None or lab_id is None:  # a named specimen always has a lab, see _lab_of
        return None
    insert_if_absent(session, Specimen(lab_id=lab_id, name=new.specimen), ["lab_id", "name"])
    query = select(Specimen).where(Specimen.lab_id == lab_id, Specimen.name == new.specimen)
    specimen = session.exec(query).one()
    if row.specimen_id not in {None, specimen.id}:
        stored = session.get_one(Specimen, row.specimen_id).name
        raise _contradiction(new, f"specimen {stored!r}", repr(new.specimen), "--specimen")
    return specimen


def _contradiction(new: NewMicrograph, stored: str, given: str, option: str) -> CatalogError:
    return CatalogError(f"{new.source_path}: the catalog knows this image with {stored}, not {given}; correct {option}")


def _select() -> Select[Micrograph, str, str]:
    return (
        select(Micrograph, Lab.name, Specimen.name)
        .outerjoin(Lab, col(Lab.id) == Micrograph.lab_id)
        .outerjoin(Specimen, col(Specimen.id) == Micrograph.specimen_id)
    )


def _in_project(project_id: int) -> Select[Micrograph, str, str]:
    return (
        _select()
        .join(ProjectMicrograph, col(ProjectMicrograph.micrograph_id) == Micrograph.id)
        .where(ProjectMicrograph.project_id == project_id)
        .order_by(col(Micrograph.id))
    )


def _record(row: Micrograph, lab: str | None, specimen: str | None) -> MicrographRecord:
    return to_value(MicrographRecord, row, lab=lab, specimen=specimen)

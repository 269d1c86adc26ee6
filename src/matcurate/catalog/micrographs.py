"""Micrographs, the labs and specimens they come from, and the projects that work on them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sqlalchemy import exists
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import Select

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

    What is said about a known image (calibration, lab, specimen, golden) fills what was not known of it.

    Parameters
    ----------
    session : Session
        A writing one.
    new : NewMicrograph
        The image.
    project_id : int
        The project that shall work on it.

    Returns
    -------
    record : MicrographRecord
        As it now stands in the catalog.
    added : bool
        Whether it is new to the project.

    Raises
    ------
    CatalogError
        When the image is known with another calibration, lab or specimen; nothing is changed then.
    """
    insert_if_absent(session, _blank(new), ["content_hash"])
    row = session.exec(select(Micrograph).where(Micrograph.content_hash == new.content_hash).with_for_update()).one()
    _fill(session, row, new)
    added = insert_if_absent(
        session,
        ProjectMicrograph(project_id=project_id, micrograph_id=row.id),
        ["project_id", "micrograph_id"],
    )
    return by_id(session, row.id), added


def by_id(session: Session, micrograph_id: int) -> MicrographRecord:
    """Return the micrograph of that id.

    Raises
    ------
    CatalogError
        When there is none.
    """
    found = session.exec(_select().where(Micrograph.id == micrograph_id)).one_or_none()
    if found is None:
        raise CatalogError(f"no micrograph {micrograph_id} in the catalog; 'curate ingest PATH' adds images")
    return _record(*found)


def by_hash(session: Session, content_hash: str) -> MicrographRecord | None:
    """Return the micrograph of that content, None when it is not known."""
    found = session.exec(_select().where(Micrograph.content_hash == content_hash)).one_or_none()
    return None if found is None else _record(*found)


def list_for_project(
    session: Session,
    project_id: int,
    *,
    without_prediction_of: int | None = None,
    ids: Sequence[int] | None = None,
    golden: bool = False,
    corrected: bool = False,
) -> list[MicrographRecord]:
    """Micrographs of a project, oldest first.

    Parameters
    ----------
    session : Session
        Any.
    project_id : int
        The project.
    without_prediction_of : int, optional
        Only those that this model version has not pre-segmented yet.
    ids : sequence of int, optional
        Only these.

    golden, corrected : bool
        Only those of the golden set; only those with a usable correction.

    Raises
    ------
    CatalogError
        When one of ``ids`` is not in the project.
    """
    query = _in_project(project_id)
    if ids is not None:
        query = query.where(col(Micrograph.id).in_(ids))
        present = {micrograph.id for micrograph, _, _ in session.exec(query)}
        missing = sorted(set(ids) - present)
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
    return [_record(*found) for found in session.exec(query)]


def set_ignores_bars(session: Session, micrograph_id: int, ignores_bars: bool) -> bool:
    """Decide whether the bars of a micrograph count for nothing; returns whether that changed anything.

    Raises
    ------
    CatalogError
        When there is no such micrograph.
    """
    by_id(session, micrograph_id)
    row = session.get_one(Micrograph, micrograph_id)
    changed = row.ignores_bars != ignores_bars
    row.ignores_bars = ignores_bars
    session.flush()
    return changed


def unpushed(session: Session, project_id: int, ls_project_id: int) -> list[MicrographRecord]:
    """Micrographs of a project for which this Label Studio project has no task (any more), oldest first."""
    query = _in_project(project_id).where(
        ~exists().where(
            col(LabelStudioTask.project_id) == project_id,
            col(LabelStudioTask.ls_project_id) == ls_project_id,
            col(LabelStudioTask.micrograph_id) == Micrograph.id,
            col(LabelStudioTask.gone_at).is_(None),
        )
    )
    return [_record(*found) for found in session.exec(query)]


def _blank(new: NewMicrograph) -> Micrograph:
    return Micrograph(
        content_hash=new.content_hash,
        page=new.page,
        name=new.name,
        source_path=new.source_path,
        object_key=new.object_key,
        proxy_key=new.proxy_key,
        width=new.width,
        height=new.height,
        dtype=new.dtype,
    )


def _fill(session: Session, row: Micrograph, new: NewMicrograph) -> None:
    """Complete ``row`` by what is said in ``new``; every contradiction is found before anything is changed."""
    known, stated = (Calibration.of_edges(one.nm_per_px, one.nm_per_px_y) for one in (row, new))
    if known is not None and stated is not None and not _same(known, stated):
        raise _contradiction(new, f"{_shown(known)} nm per px", _shown(stated), "--nm-per-px")
    lab = _said_lab(session, row, new)
    lab_id = row.lab_id if lab is None else lab.id
    specimen = _said_specimen(session, row, new, lab_id)
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


def _said_lab(session: Session, row: Micrograph, new: NewMicrograph) -> Lab | None:
    name = new.lab or (DEFAULT_LAB if new.specimen and row.lab_id is None else None)
    if name is None:
        return None
    insert_if_absent(session, Lab(name=name), ["name"])
    lab = session.exec(select(Lab).where(Lab.name == name)).one()
    if row.lab_id not in {None, lab.id}:
        known = session.get_one(Lab, row.lab_id).name
        raise _contradiction(new, f"lab {known!r}", repr(name), "--lab")
    return lab


def _said_specimen(session: Session, row: Micrograph, new: NewMicrograph, lab_id: int | None) -> Specimen | None:
    if new.specimen is None or lab_id is None:  # a named specimen always has a lab, see _said_lab
        return None
    insert_if_absent(session, Specimen(lab_id=lab_id, name=new.specimen), ["lab_id", "name"])
    query = select(Specimen).where(Specimen.lab_id == lab_id, Specimen.name == new.specimen)
    specimen = session.exec(query).one()
    if row.specimen_id not in {None, specimen.id}:
        known = session.get_one(Specimen, row.specimen_id).name
        raise _contradiction(new, f"specimen {known!r}", repr(new.specimen), "--specimen")
    return specimen


def _contradiction(new: NewMicrograph, known: str, said: str, option: str) -> CatalogError:
    return CatalogError(f"{new.source_path}: the catalog knows this image with {known}, not {said}; correct {option}")


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
    return MicrographRecord(
        id=row.id,
        content_hash=row.content_hash,
        page=row.page,
        name=row.name,
        source_path=row.source_path,
        object_key=row.object_key,
        proxy_key=row.proxy_key,
        width=row.width,
        height=row.height,
        dtype=row.dtype,
        nm_per_px=row.nm_per_px,
        nm_per_px_y=row.nm_per_px_y,
        lab=lab,
        specimen=specimen,
        golden=row.golden,
        added_at=row.added_at,
        ignores_bars=row.ignores_bars,
        acquisition=row.acquisition,
    )

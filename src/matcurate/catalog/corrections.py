"""Corrections: what the experts made of the predictions. None is ever deleted, none counted twice."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

from sqlalchemy import ColumnElement, and_
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import Select

from matcurate.catalog.columns import utc_now
from matcurate.catalog.insertion import insert_if_absent
from matcurate.catalog.records import (
    CorrectionRecord,
    CorrectionRevisionRecord,
    NewCorrection,
    Outcome,
    TaskLink,
)
from matcurate.catalog.tables import Correction, CorrectionRevision, LabelStudioTask
from matcurate.errors import CatalogError


def record_correction(session: Session, task: TaskLink, new: NewCorrection) -> Outcome:
    """Store the state of an annotation, whatever order and however often states arrive.

    Parameters
    ----------
    session : Session
        A writing one.
    task : TaskLink
        The task the annotation is on; it decides about project and micrograph.
    new : NewCorrection
        The state.

    Returns
    -------
    Outcome
        ``added``: not seen before. ``updated``: its content changed, or a retracted one is back; the state before stays
        in the history. ``unchanged``: this content is the newest known. ``stale``: older than what is stored.

    Raises
    ------
    CatalogError
        When the annotation is known on another task (a different Label Studio answers at the address).
    """
    received = new.received_at or utc_now()
    row = _row_of(task, new, received)
    added = insert_if_absent(session, row, ["project_id", "ls_annotation_id"])
    stored = _row(session, task.project_id, new.ls_annotation_id)
    if stored is None or stored.task_id != task.id:
        raise CatalogError(
            f"annotation {new.ls_annotation_id} of task {task.ls_task_id} is known on another task: is this another "
            "Label Studio? Give it a project of its own with 'curate init --project NAME'"
        )
    if added:
        _append_revision(session, stored)
        return Outcome.ADDED
    if new.ls_updated_at < stored.ls_updated_at:
        return Outcome.STALE
    return _renew(session, stored, row)


def retract_correction(
    session: Session, project_id: int, ls_annotation_id: int, at: datetime | None = None
) -> CorrectionRecord | None:
    """Mark the correction whose annotation was deleted in Label Studio. It is kept, and no longer used.

    Parameters
    ----------
    session : Session
        A writing one.
    project_id, ls_annotation_id : int
        Which annotation.
    at : datetime, optional
        When it was seen to be gone; now by default.

    Returns
    -------
    CorrectionRecord or None
        None when no such correction is known.
    """
    row = _row(session, project_id, ls_annotation_id)
    if row is None:
        return None
    if row.retracted_at is None:
        row.retracted_at = at or utc_now()
        session.flush()
    return correction_of(session, project_id, ls_annotation_id)


def correction_of(session: Session, project_id: int, ls_annotation_id: int) -> CorrectionRecord | None:
    """Return the correction made by an annotation, None when it is not known."""
    query = joined_with_tasks(project_id).where(Correction.ls_annotation_id == ls_annotation_id)
    found = session.exec(query).one_or_none()
    return None if found is None else as_record(*found)


def list_corrections(
    session: Session,
    project_id: int,
    *,
    micrograph_id: int | None = None,
    include_skipped: bool = False,
    include_retracted: bool = False,
) -> list[CorrectionRecord]:
    """Corrections of a project (and micrograph), in the order in which they first arrived."""
    query = joined_with_tasks(project_id)
    if micrograph_id is not None:
        query = query.where(Correction.micrograph_id == micrograph_id)
    if not include_skipped:
        query = query.where(col(Correction.skipped).is_(False))
    if not include_retracted:
        query = query.where(col(Correction.retracted_at).is_(None))
    return [as_record(*found) for found in session.exec(query)]


def revisions(session: Session, correction_id: int) -> list[CorrectionRevisionRecord]:
    """Every state a correction has had, oldest first."""
    query = (
        select(CorrectionRevision)
        .where(CorrectionRevision.correction_id == correction_id)
        .order_by(col(CorrectionRevision.revision))
    )
    return [CorrectionRevisionRecord(**row.model_dump(exclude={"id"})) for row in session.exec(query)]


def is_usable(project_id: int) -> ColumnElement[bool]:
    """Whether a correction of a project may be learned from: neither skipped nor retracted, and with class ids."""
    return and_(
        col(Correction.project_id) == project_id,
        col(Correction.skipped).is_(False),
        col(Correction.retracted_at).is_(None),
        col(Correction.phases_key).is_not(None),
    )


def _renew(session: Session, stored: Correction, new: Correction) -> Outcome:
    """Bring a known correction to a state that is not older."""
    returned = stored.retracted_at is not None and new.received_at > stored.retracted_at
    changed = new.digest != stored.digest
    for field in ("annotator", "lead_time", "ls_updated_at"):
        setattr(stored, field, getattr(new, field))
    if new.parent_prediction_id is not None:
        stored.parent_prediction_id = new.parent_prediction_id
    if returned:
        stored.retracted_at = None
    if changed:
        for field in (*_CONTENT, "digest", "received_at"):
            setattr(stored, field, getattr(new, field))
        stored.revision += 1
        _append_revision(session, stored)
    session.flush()
    return Outcome.UPDATED if changed or returned else Outcome.UNCHANGED


_CONTENT = ("skipped", "phases_key", "instances_key", "result_key", "ratios")


def _digest(new: NewCorrection) -> str:
    """Hex SHA-256 over what the expert decided; who, when and how long do not count."""
    ratios = None if new.ratios is None else dict(new.ratios)
    content = [new.skipped, new.phases_key, new.instances_key, new.result_key, ratios]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _row_of(task: TaskLink, new: NewCorrection, received: datetime) -> Correction:
    return Correction(
        project_id=task.project_id,
        micrograph_id=task.micrograph_id,
        task_id=task.id,
        ls_annotation_id=new.ls_annotation_id,
        annotator=new.annotator,
        skipped=new.skipped,
        lead_time=new.lead_time,
        phases_key=new.phases_key,
        instances_key=new.instances_key,
        result_key=new.result_key,
        ratios=None if new.ratios is None else dict(new.ratios),
        parent_prediction_id=new.parent_prediction_id,
        digest=_digest(new),
        ls_created_at=new.ls_created_at,
        ls_updated_at=new.ls_updated_at,
        received_at=received,
    )


def _append_revision(session: Session, row: Correction) -> None:
    fields = set(CorrectionRevision.model_fields) - {"id", "correction_id"}
    session.add(CorrectionRevision(correction_id=row.id, **row.model_dump(include=fields)))
    session.flush()


def _row(session: Session, project_id: int, ls_annotation_id: int) -> Correction | None:
    return session.exec(
        select(Correction)
        .where(Correction.project_id == project_id, Correction.ls_annotation_id == ls_annotation_id)
        .with_for_update()
    ).one_or_none()


def joined_with_tasks(project_id: int) -> Select[Correction, LabelStudioTask]:
    """Corrections of a project with their tasks, in the order in which they first arrived."""
    return (
        select(Correction, LabelStudioTask)
        .join(LabelStudioTask, col(LabelStudioTask.id) == Correction.task_id)
        .where(Correction.project_id == project_id)
        .order_by(col(Correction.id))
    )


def as_record(row: Correction, task: LabelStudioTask) -> CorrectionRecord:
    """The value of a correction's row and its task's."""
    return CorrectionRecord(
        ls_project_id=task.ls_project_id, ls_task_id=task.ls_task_id, **row.model_dump(exclude={"task_id"})
    )

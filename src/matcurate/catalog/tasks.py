"""Which Label Studio task shows which micrograph."""

from __future__ import annotations

from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from matcurate.catalog.columns import utc_now
from matcurate.catalog.conversion import all_values, one_value, to_value
from matcurate.catalog.insertion import insert_if_absent
from matcurate.catalog.records import TaskLink
from matcurate.catalog.tables import LabelStudioTask, ProjectMicrograph
from matcurate.errors import CatalogError


def link_task(session: Session, project_id: int, micrograph_id: int, ls_project_id: int, ls_task_id: int) -> TaskLink:
    """Note that a Label Studio task shows a micrograph; doing it again changes nothing.

    Raises CatalogError when the task is known to show another micrograph (a different Label Studio answers at the
    address), or the micrograph is not in the project.
    """
    if session.get(ProjectMicrograph, (project_id, micrograph_id)) is None:
        raise CatalogError(
            f"task {ls_task_id} of Label Studio project {ls_project_id} shows micrograph {micrograph_id}, "
            "which is not in this project; add it with 'curate ingest PATH'"
        )
    new = LabelStudioTask(
        project_id=project_id, micrograph_id=micrograph_id, ls_project_id=ls_project_id, ls_task_id=ls_task_id
    )
    insert_if_absent(session, new, ["project_id", "ls_project_id", "ls_task_id"])
    row = session.exec(_query(project_id, ls_project_id, ls_task_id)).one_or_none()
    if row is None or row.micrograph_id != micrograph_id:
        known = "no micrograph" if row is None else f"micrograph {row.micrograph_id}"
        raise CatalogError(
            f"task {ls_task_id} of Label Studio project {ls_project_id} shows {known}, not {micrograph_id}: "
            "is this another Label Studio? Give it a project of its own with 'curate init --project NAME'"
        )
    row.gone_at = None
    session.flush()
    return to_value(TaskLink, row)


def task_link(session: Session, project_id: int, ls_project_id: int, ls_task_id: int) -> TaskLink | None:
    """Return the link of a task, None when it is not ours."""
    return one_value(session, TaskLink, _query(project_id, ls_project_id, ls_task_id))


def list_task_links(
    session: Session, project_id: int, ls_project_id: int | None = None, *, include_gone: bool = False
) -> list[TaskLink]:
    """Links of a project (in one Label Studio project), in the order of the task ids."""
    query = select(LabelStudioTask).where(LabelStudioTask.project_id == project_id)
    if ls_project_id is not None:
        query = query.where(LabelStudioTask.ls_project_id == ls_project_id)
    if not include_gone:
        query = query.where(col(LabelStudioTask.gone_at).is_(None))
    query = query.order_by(col(LabelStudioTask.ls_project_id), col(LabelStudioTask.ls_task_id))
    return all_values(session, TaskLink, query)


def mark_gone(session: Session, project_id: int, ls_project_id: int, ls_task_id: int) -> bool:
    """Note that Label Studio no longer has the task; returns whether it was one of ours and there until now.

    Its corrections stay, and its micrograph can be pushed again.
    """
    row = session.exec(_query(project_id, ls_project_id, ls_task_id)).one_or_none()
    if row is None or row.gone_at is not None:
        return False
    row.gone_at = utc_now()
    session.flush()
    return True


def _query(project_id: int, ls_project_id: int, ls_task_id: int) -> SelectOfScalar[LabelStudioTask]:
    return select(LabelStudioTask).where(
        LabelStudioTask.project_id == project_id,
        LabelStudioTask.ls_project_id == ls_project_id,
        LabelStudioTask.ls_task_id == ls_task_id,
    )

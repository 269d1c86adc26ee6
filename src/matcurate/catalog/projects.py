"""Projects: one segmentation question each."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import Session, col, select

from matcurate.catalog.insertion import insert_if_absent
from matcurate.catalog.records import ProjectRecord
from matcurate.catalog.tables import Project
from matcurate.errors import CatalogError


def create_project(session: Session, name: str, phases: Sequence[str], preset: str) -> ProjectRecord:
    """Create a project, or return the one of that name when it asks the same question.

    Parameters
    ----------
    session : Session
        A writing one.
    name : str
        Unique in the catalog.
    phases : sequence of str
        Phase names in the order of their class ids, from 1.
    preset : str
        Name of the segmentation preset.

    Raises
    ------
    CatalogError
        When the phases are empty or not unique, or the project exists with others.
    """
    wanted = tuple(phase.strip() for phase in phases)
    if not wanted or "" in wanted or len(set(wanted)) != len(wanted):
        raise CatalogError(f"project {name!r} needs phases with different names, got {', '.join(wanted) or 'none'}")
    insert_if_absent(session, Project(name=name, phases=list(wanted), preset=preset), ["name"])
    project = get_project(session, name)
    if (project.phases, project.preset) != (wanted, preset):
        raise CatalogError(
            f"project {name!r} exists with phases {','.join(project.phases)} and preset {project.preset!r}; "
            "leave out --phases and --preset to use it, or choose another --project name"
        )
    return project


def get_project(session: Session, name: str) -> ProjectRecord:
    """Return the project of that name.

    Raises
    ------
    CatalogError
        When there is none.
    """
    row = session.exec(select(Project).where(Project.name == name)).one_or_none()
    if row is None:
        raise CatalogError(f"no project {name!r} in the catalog; run 'curate init --project {name}'")
    return _record(row)


def list_projects(session: Session) -> list[ProjectRecord]:
    """All projects, by name."""
    return [_record(row) for row in session.exec(select(Project).order_by(col(Project.name)))]


def _record(row: Project) -> ProjectRecord:
    return ProjectRecord(row.id, row.name, tuple(row.phases), row.preset, row.created_at)

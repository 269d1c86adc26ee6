"""Projects: one segmentation question each."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import Session, col, select

from matcurate.catalog.conversion import all_values, one_value
from matcurate.catalog.insertion import insert_if_absent
from matcurate.catalog.records import ProjectRecord
from matcurate.catalog.tables import Project
from matcurate.errors import CatalogError


def create_project(session: Session, name: str, phases: Sequence[str], preset: str) -> ProjectRecord:
    """Create a project, or return the one of that name when it has the same phases and preset.

    ``phases`` are names in the order of their class ids, from 1. Raises CatalogError when they are empty or not unique,
    or the project exists with others.
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
    """Return the project of that name, or raise CatalogError."""
    project = one_value(session, ProjectRecord, select(Project).where(Project.name == name))
    if project is None:
        raise CatalogError(f"no project {name!r} in the catalog; run 'curate init --project {name}'")
    return project


def list_projects(session: Session) -> list[ProjectRecord]:
    """All projects, by name."""
    return all_values(session, ProjectRecord, select(Project).order_by(col(Project.name)))

"""Model versions of the project."""

from __future__ import annotations

from matcurate.catalog.model_versions import list_model_versions
from matcurate.workflows.home import Workspace


def model_version_names(workspace: Workspace) -> list[str]:
    """Names of the project's model versions, newest first."""
    project = workspace.project()
    with workspace.reading() as session:
        return [version.name for version in reversed(list_model_versions(session, project.id))]

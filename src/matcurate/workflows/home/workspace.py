"""What every workflow needs: settings, catalog, object store and the current project."""

from __future__ import annotations

import getpass
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import Engine
from sqlmodel import Session

from matcurate.catalog import (
    ObjectStore,
    ProjectRecord,
    create_project,
    get_project,
    list_projects,
    list_task_links,
    open_catalog,
    reading,
    writing,
)
from matcurate.config import Settings, load_preset, preset_file, save_settings
from matcurate.errors import CatalogError
from matcurate.labelstudio import check_phases

DEFAULT_PHASES = ("phase",)


@dataclass(frozen=True, slots=True)
class Workspace:
    """An open installation. Keep transactions short: one :meth:`writing` session for one change."""

    settings: Settings
    engine: Engine
    objects: ObjectStore

    def writing(self) -> AbstractContextManager[Session]:
        """Session that commits at its end; an error leaves nothing behind."""
        return writing(self.engine)

    def reading(self) -> AbstractContextManager[Session]:
        """Session on one consistent state of the catalog."""
        return reading(self.engine)

    def project(self) -> ProjectRecord:
        """The project that the settings name; raises CatalogError when it has not been created."""
        with self.reading() as session:
            return get_project(session, self.settings.project)


def open_workspace(settings: Settings) -> Workspace:
    """Open catalog and object store, creating or migrating them as needed."""
    return Workspace(settings, open_catalog(settings.resolved_database_url), ObjectStore(settings.resolved_objects_url))


def initialise(
    settings: Settings, name: str, phases: tuple[str, ...] | None = None, preset: str | None = None
) -> ProjectRecord:
    """Create the project (or find it as it was) and make it the installation's own.

    Another project than before gets back the Label Studio project that its tasks are in, or none until it is connected:
    what belongs to one project must not reach the other's tasks. ``phases`` default to those of the existing project,
    else :data:`DEFAULT_PHASES`; ``preset``, a name or YAML file, to that of the existing project, else of the settings.

    Raises CatalogError when a project of this name has other phases or another preset; ConfigError when there is no
    such preset, or Label Studio could not show such phases.
    """
    workspace = open_workspace(settings)
    with workspace.reading() as session:
        existing = next((project for project in list_projects(session) if project.name == name), None)
    chosen = _preset_name(preset) if preset else existing.preset if existing else settings.preset
    names = phases if phases is not None else existing.phases if existing else DEFAULT_PHASES
    _check_preset(chosen)
    check_phases(names, instances=True)
    with workspace.writing() as session:
        project = create_project(session, name, names, chosen)
        links = list_task_links(session, project.id, include_gone=True)
    changes: dict[str, object] = {"project": name, "preset": chosen}
    if name != settings.project:
        newest = max(links, key=lambda link: link.id, default=None)
        changes["label_studio"] = {"project_id": newest.ls_project_id if newest else None}
    save_settings(settings.home, changes)
    return project


def _check_preset(preset: str) -> None:
    """Raise ConfigError where there is no such preset; what shipped ones hold is checked by tests."""
    path = preset_file(preset, "presets")
    if str(path) == preset:
        from matcurate.segmentation.matsam.pipeline import MatSamPreset  # MatSAM takes seconds to import

        load_preset(preset, MatSamPreset, "presets")


def _preset_name(preset: str) -> str:
    """A shipped preset by its name, a file by its absolute path: commands run in other folders too."""
    return str(Path(preset).absolute()) if preset.endswith((".yaml", ".yml")) else preset


def ensure_project(settings: Settings, phases: tuple[str, ...]) -> ProjectRecord:
    """The project that the settings name, created with ``phases`` when there is none."""
    try:
        return open_workspace(settings).project()
    except CatalogError:
        return initialise(settings, settings.project, phases, settings.preset)


def current_user() -> str:
    """Name of this machine's user, to record who requested or decided something."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "unknown"

"""What every arrow of the loop stands on: settings, catalog, object store and the project at hand."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import Engine
from sqlmodel import Session

from matcurate.catalog.engine import open_catalog, reading, writing
from matcurate.catalog.objects import ObjectStore
from matcurate.catalog.projects import create_project, get_project
from matcurate.catalog.records import ProjectRecord
from matcurate.config import Settings, save_settings
from matcurate.errors import CatalogError, ConfigError
from matcurate.labelstudio.client import LabelStudioClient as LabelStudioClient  # entry points name the type


@dataclass(frozen=True, slots=True)
class Workspace:
    """An open installation. Transactions are short: one :meth:`writing` session for one change."""

    settings: Settings
    engine: Engine
    objects: ObjectStore

    def writing(self) -> AbstractContextManager[Session]:
        """Session that commits at its end, and leaves nothing behind when an error passes."""
        return writing(self.engine)

    def reading(self) -> AbstractContextManager[Session]:
        """Session on one consistent state of the catalog."""
        return reading(self.engine)

    def project(self) -> ProjectRecord:
        """The project that the settings name.

        Raises
        ------
        CatalogError
            When it has not been created.
        """
        with self.reading() as session:
            return get_project(session, self.settings.project)


def open_workspace(settings: Settings) -> Workspace:
    """Open catalog and object store, creating or migrating them as needed."""
    return Workspace(settings, open_catalog(settings.resolved_database_url), ObjectStore(settings.resolved_objects_url))


def initialise(settings: Settings, name: str, phases: tuple[str, ...], preset: str) -> ProjectRecord:
    """Create the project (or find it as it was) and make it the installation's own.

    Raises
    ------
    CatalogError
        When a project of this name has other phases.
    """
    workspace = open_workspace(settings)
    with workspace.writing() as session:
        project = create_project(session, name, list(phases), preset)
    save_settings(settings.home, {"project": name, "preset": preset})
    return project


def ensure_project(settings: Settings, phases: tuple[str, ...]) -> ProjectRecord:
    """The project that the settings name, created with ``phases`` when there is none."""
    try:
        return open_workspace(settings).project()
    except CatalogError:
        return initialise(settings, settings.project, phases, settings.preset)


def label_studio_client(settings: Settings) -> LabelStudioClient:
    """Client for the Label Studio that ``curate connect`` has set.

    Raises
    ------
    ConfigError
        When none is set, or the token file cannot be read.
    """
    url, token_file = settings.label_studio.url, settings.label_studio.token_file
    if url is None or token_file is None:
        raise ConfigError("no Label Studio is connected; run 'curate connect --url URL --token-file FILE'")
    return LabelStudioClient(url, read_token(token_file), token_source=str(token_file))


def read_token(token_file: Path) -> str:
    """Token in a file's first line.

    Raises
    ------
    ConfigError
        When the file is missing, unreadable or empty.
    """
    try:
        token = token_file.read_text().strip()
    except OSError as error:
        raise ConfigError(f"{token_file}: {error.strerror}; name a readable file that holds the token") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{token_file} is not text; it should hold the token alone") from error
    if not token or len(token.split()) != 1:
        raise ConfigError(f"{token_file} should hold the token alone, on one line")
    return token


def connected_project_id(settings: Settings) -> int:
    """Label Studio's id of our project.

    Raises
    ------
    ConfigError
        When ``curate connect`` has not been run.
    """
    if settings.label_studio.project_id is None:
        raise ConfigError("no Label Studio project is connected; run 'curate connect --url URL --token-file FILE'")
    return settings.label_studio.project_id

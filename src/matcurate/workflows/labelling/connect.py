"""The project, a Label Studio project and the ML backend, made known to each other."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from matcurate.catalog import ProjectRecord
from matcurate.config import Settings, load_settings, save_settings
from matcurate.errors import LabelStudioNotFoundError
from matcurate.imaging.overlay import PHASE_COLOURS
from matcurate.labelstudio import (
    SECRET_HEADER,
    LabelStudioClient,
    Sampling,
    labelling_config,
    read_token,
    with_smart_controls,
)
from matcurate.workflows.home import open_workspace

WEBHOOK_SECRET_HEADER = SECRET_HEADER
BACKEND_TITLE = "matcurate"
SAMPLING: Sampling = "Uncertainty sampling"
"""Label Studio serves the lowest score first, and our score is confidence."""


@dataclass(frozen=True, slots=True)
class ConnectReport:
    """Label Studio's project: its id and the address of its page."""

    project_id: int
    project_url: str


def connect_project(
    settings: Settings, url: str, token_file: Path, project_id: int | None = None, backend_url: str | None = None
) -> ConnectReport:
    """Connect the project with a Label Studio project, and with a backend when its address is given.

    ``token_file`` holds an access token of either kind. ``project_id`` names an existing project whose labelling
    configuration must have our phases, and gets smart points and boxes where it has none; without it the project
    connected before is used again if it is still there, else a new one is made. The backend at ``backend_url`` must be
    running. ``HOME/config.yaml`` keeps all of it.

    Raises LabelStudioError when Label Studio or the project is not there, or refuses the token; ConfigError when the
    labelling configuration does not fit the project.
    """
    project = open_workspace(settings).project()
    address = url.rstrip("/")
    with LabelStudioClient(address, read_token(token_file), token_source=str(token_file)) as client:
        client.whoami()
        before = settings.label_studio
        earlier = before.project_id if before.url == address else None
        ls_project_id = _existing(client, project, project_id, earlier) or _new(client, project)
        changes: dict[str, object] = {
            "label_studio": {"url": address, "token_file": str(token_file.absolute()), "project_id": ls_project_id}
        }
        save_settings(settings.home, changes)
        if backend_url is not None:
            _connect_backend(settings, client, ls_project_id, backend_url)
    return ConnectReport(ls_project_id, f"{address}/projects/{ls_project_id}/data")


def _existing(client: LabelStudioClient, project: ProjectRecord, wanted: int | None, earlier: int | None) -> int | None:
    chosen = earlier if wanted is None else wanted
    if chosen is None:
        return None
    try:
        existing = client.projects.get(chosen)
    except LabelStudioNotFoundError:
        if wanted is not None:
            raise
        return None
    xml = with_smart_controls(existing.label_config, project.phases)
    if xml != existing.label_config:
        client.projects.update(existing.id, label_config=xml)
    return existing.id


def _new(client: LabelStudioClient, project: ProjectRecord) -> int:
    colours = list(islice(cycle(PHASE_COLOURS), len(project.phases)))  # a phase looks the same in every picture
    xml = labelling_config(project.phases, colours, instances=True)
    return client.projects.create(_title(project.name), xml, sampling=SAMPLING).id


def _title(name: str) -> str:
    """Label Studio's titles have 3 to 50 characters."""
    return name[:50] if len(name) >= 3 else f"project {name}"


def _connect_backend(settings: Settings, client: LabelStudioClient, project_id: int, backend_url: str) -> None:
    """Register the backend with credentials, made and kept on first use.

    A backend of ours at another address (another port) is removed. Registering sets the project's model version to the
    backend's title, which would hide the predictions: it is put back.
    """
    current = load_settings(settings.home).backend
    username = current.username or "label-studio"
    password = current.password.get_secret_value() if current.password else secrets.token_urlsafe(24)
    secret = current.webhook_secret.get_secret_value() if current.webhook_secret else secrets.token_urlsafe(24)
    save_settings(settings.home, {"backend": {"username": username, "password": password, "webhook_secret": secret}})
    shown = client.projects.get(project_id).model_version
    for known in client.backends.of_project(project_id):
        if known.title == BACKEND_TITLE and known.url.rstrip("/") != backend_url.rstrip("/"):
            client.backends.disconnect(project_id, known.url)
    client.backends.connect(
        project_id, backend_url, BACKEND_TITLE, username=username, password=password, webhook_secret=secret
    )
    if shown in client.predictions.versions(project_id):
        client.projects.update(project_id, model_version=shown)

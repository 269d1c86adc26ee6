"""The real services for the whole test session, as ``curate up`` starts them; tests start workers of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import pytest

from matcurate.config import Settings, load_settings, save_settings
from matcurate.services.run import Services, run_connected
from matcurate.workflows.home import Workspace, initialise, open_workspace
from matcurate.workflows.labelling import connect_project


@dataclass(frozen=True)
class RunningServices:
    services: Services
    settings: Settings
    token: str


@dataclass(frozen=True)
class RunningLabelStudio:
    url: str
    legacy_token: str
    personal_token: str
    email: str


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServices]:
    home = tmp_path_factory.mktemp("home")
    with run_connected(load_settings(home), ("precipitate",), worker=False) as (services, settings, _):
        assert settings.label_studio.token_file is not None
        yield RunningServices(services, settings, settings.label_studio.token_file.read_text())


@pytest.fixture(scope="session")
def label_studio(running: RunningServices) -> RunningLabelStudio:
    services = running.services
    personal = personal_token(services.label_studio_url, services.username, services.password)
    return RunningLabelStudio(services.label_studio_url, running.token, personal, services.username)


@contextmanager
def project_of_its_own(running: RunningServices, name: str) -> Iterator[Workspace]:
    """Another project of the running installation, connected; afterwards the installation is as it was."""
    home, services, before = running.settings.home, running.services, running.settings
    assert before.label_studio.token_file is not None
    initialise(load_settings(home), name, ("precipitate",), "phases")
    url, backend_url = services.label_studio_url, services.backend_url
    connect_project(load_settings(home), url, before.label_studio.token_file, backend_url=backend_url)
    yield open_workspace(load_settings(home))
    save_settings(home, {"project": before.project, "label_studio": {"project_id": before.label_studio.project_id}})


def personal_token(url: str, email: str, password: str) -> str:
    """Log in as the page does, and ask for a personal access token."""
    with httpx.Client(base_url=url, follow_redirects=True) as browser:
        browser.get("/user/login/")
        form = {"email": email, "password": password, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        browser.post("/user/login/", data=form, headers={"Referer": f"{url}/user/login/"}).raise_for_status()
        answer = browser.post("/api/token/", headers={"X-CSRFToken": browser.cookies["csrftoken"], "Referer": url})
        return str(answer.raise_for_status().json()["token"])

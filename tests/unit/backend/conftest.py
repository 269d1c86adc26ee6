from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from matcurate_backend import state as state_module
from matcurate_backend.app import create_app
from tests.unit.backend.backend_samples import eventually, metric


@pytest.fixture
def workspace(loop_workspace, studio, monkeypatch):
    monkeypatch.setattr(state_module, "label_studio_client", lambda settings: studio)
    return loop_workspace


@pytest.fixture
def http(workspace, studio) -> Iterator[TestClient]:
    with TestClient(create_app(workspace.settings)) as client:
        eventually(lambda: metric(client, "matcurate_inbox_pending 0.0") and "tasks.of_project" in studio.calls)
        yield client

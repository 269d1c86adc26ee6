"""``curate up``: credentials, ports and how each service is started; the services themselves run elsewhere."""

import os
import socket
import stat
import sys
from contextlib import contextmanager

import pytest
import yaml

from matcurate.config import load_settings, save_settings
from matcurate.demo import run as demo_module
from matcurate.demo.pictures import DemoSet
from matcurate.demo.run import run_demo
from matcurate.errors import CatalogError, ConfigError, DatasetError, ServiceError
from matcurate.labelstudio import labelling_config
from matcurate.services import run as module
from matcurate.services.run import Services, embedded_services, run_connected, serve_backend
from matcurate.workflows.home import initialise, open_workspace
from matcurate.workflows.labelling.connect import ConnectReport
from tests.unit.loop_samples import LS_PROJECT, write_discs


class Process:
    def __init__(self, code=None):
        self.code = code

    def poll(self):
        return self.code


@pytest.fixture
def started(tmp_path, monkeypatch):
    """Specifications of the services that would have been started."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "label-studio").touch()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    specs = []

    @contextmanager
    def running(wanted, progress):
        specs.extend(wanted)
        yield {spec.name: Process() for spec in wanted}

    monkeypatch.setattr(module, "running", running)
    return specs


@pytest.fixture
def home(tmp_path):
    initialise(load_settings(tmp_path / "home"), "default")
    return tmp_path / "home"


def test_credentials_are_private_kept_and_never_on_a_command_line(home, started):
    with embedded_services(load_settings(home)) as (services, settings):
        pass
    kept = yaml.safe_load((home / "services.yaml").read_text())
    for name in ("services.yaml", "label_studio.token", "config.yaml"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600
    assert (home / "label_studio.token").read_text() == kept["token"] and len(kept["token"]) == 40
    assert settings.backend.password.get_secret_value() == kept["backend_password"]
    assert settings.backend.webhook_secret.get_secret_value() == kept["webhook_secret"]
    assert settings.label_studio.token_file == home / "label_studio.token"
    assert (services.username, services.password) == ("admin@example.com", kept["password"])
    commands = " ".join(word for spec in started for word in spec.command)
    assert not any(kept[name] in commands for name in ("password", "token", "backend_password", "webhook_secret"))
    with embedded_services(load_settings(home)):
        pass
    again = yaml.safe_load((home / "services.yaml").read_text())
    assert {k: v for k, v in again.items() if "port" not in k} == {k: v for k, v in kept.items() if "port" not in k}


def test_a_file_that_others_could_read_is_closed_before_it_is_written(tmp_path):
    path = tmp_path / "services.yaml"
    path.write_text("old")
    path.chmod(0o644)
    module._save_private(path, "new")
    assert path.read_text() == "new" and stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_port_that_is_taken_is_replaced(home, started):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (home / "services.yaml").write_text(yaml.safe_dump({"label_studio_port": port, "password": "kept"}))
        with embedded_services(load_settings(home)) as (services, settings):
            assert services.label_studio_url != f"http://127.0.0.1:{port}" and services.password == "kept"
            assert settings.label_studio.url == services.label_studio_url
    label_studio, mlflow, backend, worker = started
    assert label_studio.health_url == f"{services.label_studio_url}/health"
    assert label_studio.command[-1] == services.label_studio_url.rsplit(":", 1)[1]
    assert label_studio.environment["LABEL_STUDIO_USE_DEFAULT_BANNED_SUBNETS"] == "false"
    assert mlflow.health_url == f"{services.mlflow_url}/health"
    assert f"sqlite:///{home / 'mlflow' / 'mlflow.db'}" in mlflow.command and (home / "mlflow").is_dir()
    assert backend.environment == worker.environment == {"CURATE_HOME": str(home)}
    assert worker.command[1:] == ["-m", "matcurate.jobs"] and worker.health_url is None
    assert str(settings.backend.port) in backend.command


def test_the_worker_may_be_left_out(home, started):
    with embedded_services(load_settings(home), worker=False):
        assert [spec.name for spec in started] == ["Label Studio", "MLflow", "backend"]


def test_label_studio_must_be_installed(home, started, tmp_path):
    (tmp_path / "bin" / "label-studio").unlink()
    with pytest.raises(ServiceError, match=r"matcurate\[labelstudio\].*curate connect"):
        embedded_services(load_settings(home)).__enter__()
    assert started == []


@pytest.mark.parametrize("text", ["", "password: [", "pasword: x\n", "- 1\n"])
def test_damaged_credentials_are_one_line(home, started, text):
    (home / "services.yaml").write_text(text)
    with pytest.raises(ServiceError, match=r"services\.yaml: .*fix it") as refused:
        embedded_services(load_settings(home)).__enter__()
    assert "\n" not in str(refused.value)


def test_everything_is_connected(tmp_path, started, monkeypatch):
    asked = []

    def connect(settings, url, token_file, backend_url):
        asked.append((settings.label_studio.url, url, token_file, backend_url))
        return ConnectReport(7, f"{url}/projects/7/data")

    monkeypatch.setattr(module, "connect_project", connect)
    with run_connected(load_settings(tmp_path / "new"), ("a", "b")) as (services, settings, url):
        address = services.label_studio_url
        assert asked == [(address, address, tmp_path / "new" / "label_studio.token", services.backend_url)]
        assert url == f"{address}/projects/7/data" and settings.label_studio.url == address
    assert open_workspace(load_settings(tmp_path / "new")).project().phases == ("a", "b")


def test_which_service_has_ended():
    processes = {"Label Studio": Process(), "MLflow": Process(3)}
    services = Services("a", "b", "c", "u", "p", processes)
    assert services.ended() == "MLflow"
    processes["MLflow"].code = None
    assert services.ended() is None


def test_serve_needs_a_project_and_hands_the_home_on(tmp_path, home, monkeypatch):
    calls = []
    monkeypatch.setattr(module.uvicorn, "run", lambda app, **more: calls.append((app, more, os.environ["CURATE_HOME"])))
    monkeypatch.setenv("CURATE_HOME", "elsewhere")
    with pytest.raises(CatalogError, match="curate init"):
        serve_backend(load_settings(tmp_path / "empty"), "127.0.0.1", 9)
    for host in ("0.0.0.0", "lab.example", "::"):
        with pytest.raises(ConfigError, match=r"no credentials are set; set backend\.username and backend\.password"):
            serve_backend(load_settings(home), host, 9191)
    assert not calls
    monkeypatch.setenv("CURATE_BACKEND__USERNAME", "ls")
    monkeypatch.setenv("CURATE_BACKEND__PASSWORD", "secret")
    serve_backend(load_settings(home), "0.0.0.0", 9191)
    assert calls == [
        ("matcurate_backend.app:create_app", {"factory": True, "host": "0.0.0.0", "port": 9191}, str(home))
    ]


def test_every_set_of_a_demo_has_a_project_of_its_own(home, tmp_path, monkeypatch):
    def refuse(*_):
        raise ServiceError("not started")

    monkeypatch.setattr(demo_module, "run_connected", refuse)
    for name, phases in (("one", ("a", "b")), ("two", ("c",)), ("one", ("a", "b"))):
        monkeypatch.setattr(demo_module, "given_set", lambda _, n=name, p=phases: DemoSet(n, tmp_path, p, {}))
        with pytest.raises(ServiceError):
            run_demo(load_settings(home), tmp_path, 1, 0).__enter__()
        project = open_workspace(load_settings(home)).project()
        assert (project.name, project.phases) == (name, phases)
    monkeypatch.setenv("CURATE_PROJECT", "mine")
    with pytest.raises(ConfigError, match="CURATE_PROJECT=mine"):
        run_demo(load_settings(home), tmp_path, 1, 0).__enter__()


def test_a_home_of_another_label_studio_is_left_alone(home, started):
    save_settings(home, {"label_studio": {"url": "https://lab", "token_file": "/secrets/token"}})
    with pytest.raises(ServiceError, match="connected with the Label Studio at https://lab"):
        embedded_services(load_settings(home)).__enter__()
    assert started == [] and load_settings(home).label_studio.url == "https://lab"


def test_a_demo_brings_a_folder_into_label_studio_and_says_what_it_left_out(tmp_path, studio, segmenter, monkeypatch):
    studio.label_config = labelling_config(["phase"])
    write_discs(tmp_path / "images", 2)
    (tmp_path / "images" / "note.png").write_bytes(b"no image")
    running = Services("http://ls", "http://mlflow", "http://backend", "u", "p", {})

    @contextmanager
    def connected(settings, phases):
        assert open_workspace(settings).project().phases == phases == ("phase",)
        save_settings(settings.home, {"label_studio": {"project_id": LS_PROJECT}})
        yield running, load_settings(settings.home), "http://ls/projects/7/data"

    monkeypatch.setattr(demo_module, "run_connected", connected)
    monkeypatch.setattr(demo_module, "label_studio_client", lambda settings: studio)
    steps = []
    settings = load_settings(tmp_path / "home")
    with run_demo(settings, tmp_path / "images", 1, 0, "phases", lambda *step: steps.append(step[:2])) as demo:
        assert (demo.services, demo.project_url) == (running, "http://ls/projects/7/data")
        assert len(demo.problems) == 1 and "note.png: not a PNG" in demo.problems[0]
        assert len(studio.stored_tasks) == 2 and studio.model_version == segmenter.version
        with pytest.raises(DatasetError, match="has no masks"):
            demo.play_expert()
    assert steps == [(index, 5) for index in range(5)] and studio.calls[-1] == "close"

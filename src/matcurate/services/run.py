"""The embedded services of ``curate up``: Label Studio, MLflow, backend and worker, with generated credentials."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from subprocess import Popen

import uvicorn
import yaml
from pydantic import Field, ValidationError

from matcurate.config import Settings, Strict, first_problem, load_settings, save_settings
from matcurate.errors import ConfigError, ServiceError
from matcurate.services.processes import ServiceSpec, free_port, running
from matcurate.types import Progress, silent
from matcurate.workflows.home import ensure_project, open_workspace
from matcurate.workflows.labelling import connect_project

HOST = "127.0.0.1"


class Credentials(Strict):
    """What ``curate up`` generates once and keeps in ``HOME/services.yaml`` (mode 0600)."""

    username: str = "admin@example.com"
    password: str = Field(default_factory=lambda: secrets.token_urlsafe(12))
    token: str = Field(default_factory=lambda: secrets.token_hex(20))
    backend_password: str = Field(default_factory=lambda: secrets.token_urlsafe(24))
    webhook_secret: str = Field(default_factory=lambda: secrets.token_urlsafe(24))
    label_studio_port: int = 8080
    mlflow_port: int = 5000
    backend_port: int = 9090


@dataclass(frozen=True, slots=True)
class Services:
    """Addresses of the running services, and how to log in."""

    label_studio_url: str
    mlflow_url: str
    backend_url: str
    username: str
    password: str
    processes: Mapping[str, Popen[bytes]]

    def ended(self) -> str | None:
        """Name of a service that has ended, if any."""
        return next((name for name, process in self.processes.items() if process.poll() is not None), None)


@contextmanager
def embedded_services(
    settings: Settings, progress: Progress = silent, *, worker: bool = True
) -> Iterator[tuple[Services, Settings]]:
    """Run Label Studio, MLflow and the backend on free ports, and a worker for a home that has a project.

    Yields the addresses and the settings to reach them.

    Credentials and ports of an earlier run are used again, so that bookmarks stay valid; a port that is taken is
    replaced. ``HOME/config.yaml`` is updated with Label Studio's address, the token file and the backend's secrets.

    Raises
    ------
    ServiceError
        When Label Studio is not installed, the home belongs to another one, or a service does not come up (its log
        file is named).
    """
    home = settings.home.absolute()
    own_token = home / "label_studio.token"
    if settings.label_studio.token_file not in (None, own_token):
        raise ServiceError(
            f"{home} is connected with the Label Studio at {settings.label_studio.url}; run 'curate serve' for it, "
            "or choose another --home for one of its own"
        )
    credentials = _with_free_ports(_load_credentials(home))
    _save_private(home / "services.yaml", yaml.safe_dump(credentials.model_dump()))
    _save_private(own_token, credentials.token)
    urls = {
        name: f"http://{HOST}:{getattr(credentials, f'{name}_port')}" for name in ("label_studio", "mlflow", "backend")
    }
    save_settings(
        home,
        {
            "label_studio": {"url": urls["label_studio"], "token_file": str(own_token)},
            "tracking_uri": urls["mlflow"],
            "backend": {
                "host": HOST,
                "port": credentials.backend_port,
                "username": "label-studio",
                "password": credentials.backend_password,
                "webhook_secret": credentials.webhook_secret,
            },
        },
    )
    specs = [
        _label_studio(home, credentials, urls["label_studio"]),
        _mlflow(home, credentials.mlflow_port, urls["mlflow"]),
        backend_service(home, credentials.backend_port, urls["backend"]),
        *([worker_service(home)] if worker else []),
    ]
    with running(specs, progress) as processes:
        services = Services(
            urls["label_studio"],
            urls["mlflow"],
            urls["backend"],
            credentials.username,
            credentials.password,
            processes,
        )
        yield services, load_settings(home)


def _load_credentials(home: Path) -> Credentials:
    file = home / "services.yaml"
    if not file.exists():
        return Credentials()
    try:
        return Credentials.model_validate(yaml.safe_load(file.read_text()))
    except (ValidationError, yaml.YAMLError) as error:
        reason = first_problem(error) if isinstance(error, ValidationError) else str(error).splitlines()[0]
        raise ServiceError(f"{file}: {reason}; fix it, or start over in another --home") from error


def _with_free_ports(credentials: Credentials) -> Credentials:
    names = ("label_studio_port", "mlflow_port", "backend_port")
    return credentials.model_copy(update={name: free_port(getattr(credentials, name), HOST) for name in names})


def _save_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text)


def _label_studio(home: Path, credentials: Credentials, url: str) -> ServiceSpec:
    program = Path(sys.executable).with_name("label-studio")
    if not program.exists():
        raise ServiceError(
            "Label Studio is not installed in this environment; run pip install 'matcurate[labelstudio]', "
            "or use the one you have with 'curate connect --url URL --token-file FILE'"
        )
    port = str(credentials.label_studio_port)
    return ServiceSpec(
        name="Label Studio",
        command=[str(program), "start", "--no-browser", "--internal-host", HOST, "--port", port],
        environment={
            "LABEL_STUDIO_BASE_DATA_DIR": str(home / "label_studio"),
            "LABEL_STUDIO_USERNAME": credentials.username,
            "LABEL_STUDIO_PASSWORD": credentials.password,
            "LABEL_STUDIO_USER_TOKEN": credentials.token,
            "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
            "LABEL_STUDIO_USE_DEFAULT_BANNED_SUBNETS": "false",  # else the backend on 127.0.0.1 is refused
            "LABEL_STUDIO_LATEST_VERSION_CHECK": "false",
            "LABEL_STUDIO_HOST": url,
            "COLLECT_ANALYTICS": "false",
            "SENTRY_DSN": "",
            "FRONTEND_SENTRY_DSN": "",
        },
        health_url=f"{url}/health",
        log_file=home / "logs" / "label_studio.log",
        timeout=300.0,  # the first start migrates its database: 30 s on an idle laptop
    )


def _mlflow(home: Path, port: int, url: str) -> ServiceSpec:
    (home / "mlflow").mkdir(parents=True, exist_ok=True)
    store = f"sqlite:///{home / 'mlflow' / 'mlflow.db'}"
    artifacts = str(home / "mlflow" / "artifacts")
    return ServiceSpec(
        name="MLflow",
        command=[
            *(
                sys.executable,
                "-m",
                "mlflow",
                "server",
                "--host",
                HOST,
                "--port",
                str(port),
                "--workers",
                "1",
            ),
            *("--backend-store-uri", store, "--artifacts-destination", artifacts),
        ],
        environment={"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        health_url=f"{url}/health",
        log_file=home / "logs" / "mlflow.log",
    )


def backend_service(home: Path, port: int, url: str) -> ServiceSpec:
    """How the ML backend of ``home`` is started as a process of its own."""
    return ServiceSpec(
        name="backend",
        command=[
            *(sys.executable, "-m", "uvicorn", "--factory", "matcurate_backend.app:create_app"),
            *("--host", HOST, "--port", str(port), "--log-level", "warning"),
        ],
        environment={"CURATE_HOME": str(home)},
        health_url=f"{url}/health",
        log_file=home / "logs" / "backend.log",
    )


def worker_service(home: Path) -> ServiceSpec:
    """How the worker of ``home`` is started as a process of its own."""
    return ServiceSpec(
        name="worker",
        command=[sys.executable, "-m", "matcurate.jobs"],
        environment={"CURATE_HOME": str(home)},
        health_url=None,
        log_file=home / "logs" / "worker.log",
    )


@contextmanager
def run_connected(
    settings: Settings, phases: tuple[str, ...], progress: Progress = silent, *, worker: bool = True
) -> Iterator[tuple[Services, Settings, str]]:
    """Run the embedded services with project, Label Studio and backend connected.

    Yields the services, the settings that reach them, and the address of the project's page. The project is created
    with ``phases`` when the home has none. The worker may be left out.
    """
    ensure_project(settings, phases)
    with embedded_services(settings, progress, worker=worker) as (services, reachable):
        token_file = settings.home.absolute() / "label_studio.token"
        report = connect_project(reachable, services.label_studio_url, token_file, backend_url=services.backend_url)
        yield services, load_settings(settings.home), report.project_url


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name
        return host == "localhost"


def serve_backend(settings: Settings, host: str, port: int) -> None:
    """Run the ML backend in this process until it is stopped.

    Raises
    ------
    CatalogError
        When the project has not been created.
    ConfigError
        When other machines could reach it, and no credentials are set.
    ServiceError
        When the port is taken.
    """
    open_workspace(settings).project()
    if not _is_loopback(host) and (settings.backend.username is None or settings.backend.password is None):
        raise ConfigError(
            f"other machines can reach {host}, and no credentials are set; set backend.username and backend.password "
            f"in {settings.home / 'config.yaml'}, or listen on 127.0.0.1"
        )
    if port and free_port(port, host) != port:
        raise ServiceError(f"port {port} of {host} is taken; stop what holds it, or choose another with --port")
    os.environ["CURATE_HOME"] = str(settings.home.absolute())
    uvicorn.run("matcurate_backend.app:create_app", factory=True, host=host, port=port)

"""Child processes of ``curate up``: started with a log file, watched until they answer, stopped as a group."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from matcurate.errors import ServiceError
from matcurate.types import Progress, silent

POLL_SECONDS = 0.25
STOP_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """How a service is started and when it counts as up.

    Parameters
    ----------
    name : str
        For messages and the log file.
    command : sequence of str
        Program and arguments.
    environment : mapping
        Added to this process's environment.
    health_url : str or None
        Answers 200 when the service is up; one without an address counts as up at once.
    log_file : Path
        Receives stdout and stderr.
    timeout : float
        Seconds until a service that does not answer counts as failed.
    """

    name: str
    command: Sequence[str]
    health_url: str | None
    log_file: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 180.0


def free_port(preferred: int | None = None, host: str = "127.0.0.1") -> int:
    """Return ``preferred`` when nothing listens there, else a port that the system says is free."""
    for port in (preferred, 0) if preferred else (0,):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port or 0))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ServiceError(f"no free port on {host}; stop a service that holds one")


@contextmanager
def running(specs: Sequence[ServiceSpec], progress: Progress = silent) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Start all services at once, wait until each answers, and stop them all at the end.

    Raises
    ------
    ServiceError
        When one ends early or does not answer in time; its log file is named. The others are stopped.
    """
    with ExitStack() as stack:
        processes = {spec.name: stack.enter_context(_process(spec)) for spec in specs}
        for index, spec in enumerate(specs):
            progress(index, len(specs), spec.name)
            _wait_until_up(spec, processes[spec.name])
        progress(len(specs), len(specs))
        yield processes


@contextmanager
def _process(spec: ServiceSpec) -> Iterator[subprocess.Popen[bytes]]:
    spec.log_file.parent.mkdir(parents=True, exist_ok=True)
    with spec.log_file.open("ab") as log:
        process = subprocess.Popen(
            spec.command,
            env={**os.environ, **spec.environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a group of its own, so that a service's own children end with it
        )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_until_up(spec: ServiceSpec, process: subprocess.Popen[bytes]) -> None:
    if spec.health_url is None:
        return
    deadline = time.monotonic() + spec.timeout
    with httpx.Client(timeout=5.0, trust_env=False) as http:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise ServiceError(f"{spec.name} ended with code {process.returncode}; see {spec.log_file}")
            if _answers(http, spec.health_url):
                return
            time.sleep(POLL_SECONDS)
    raise ServiceError(f"{spec.name} did not answer at {spec.health_url} in {spec.timeout:.0f} s; see {spec.log_file}")


def _answers(http: httpx.Client, url: str) -> bool:
    try:
        return http.get(url).is_success
    except httpx.TransportError:
        return False

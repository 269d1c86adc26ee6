"""A real Label Studio for the whole test session."""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_label_studio import RunningLabelStudio, create_personal_token, environment, free_port, wait_until_up


@pytest.fixture(scope="session")
def label_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLabelStudio]:
    program = Path(sys.executable).with_name("label-studio")
    if not program.exists():
        pytest.skip("Label Studio is not installed; 'make install' does it")
    root = tmp_path_factory.mktemp("label-studio")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    token = secrets.token_hex(20)
    log = root / "log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [str(program), "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(port)],
            env=environment(root, url, token),
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
    try:
        wait_until_up(url, process, log)
        yield RunningLabelStudio(url, token, create_personal_token(url))
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)

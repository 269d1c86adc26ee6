"""``mlflow models serve`` on the champion of a home, as a process of its own, answers a real image."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from matcurate.cli.app import run
from matcurate.imaging.labels import decode_labels
from matcurate.imaging.read import read_micrograph
from matcurate.phase.constrained import follow
from matcurate.phase.inference import phase_shares, segment_phases
from matcurate.phase.ratios import no_ratio
from matcurate.phase.samples import picture
from matcurate.workflows.home import Workspace, backbone_of
from matcurate.workflows.training.retrain import retrain
from matcurate.workflows.training.training import load_champion
from matcurate.workflows.versions import open_registry, promote
from tests.integration.lab_homes import make_home

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = make_home(tmp_path_factory.mktemp("serving"), "north", "precipitates")
    report = retrain(made)
    if not report.promoted:  # so short a training need not reach the least Dice of a first champion
        promote(made, open_registry(made), "challenger", why="to be served")
    return made


@pytest.fixture(scope="module")
def address(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server, as docs/labs.md starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    code = "from mlflow.cli import cli; cli()"
    command = [sys.executable, "-c", code, "models", "serve", "-m", "models:/alloy@champion"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # where it finds uvicorn
    environment = {**os.environ, "MLFLOW_TRACKING_URI": workspace.settings.resolved_tracking_uri, "PATH": path}
    folder = tmp_path_factory.mktemp("elsewhere")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--env-manager", "local", "--host", "127.0.0.1", "--port", port],
            env=environment, cwd=folder, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if httpx.get(f"{address}/ping").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.5)
        else:
            pytest.fail((folder / "log").read_text())
        yield address
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def asked(address: str, **record: object) -> httpx.Response:
    return httpx.post(f"{address}/invocations", json={"dataframe_records": [record]}, timeout=120)


def test_a_generated_micrograph_is_answered_as_the_model_segments_it(
    workspace: Workspace, address: str, tmp_path: Path
) -> None:
    assert run(["synth", "--kind", "precipitates", "-n", "1", "--size", "120x200", "--out", str(tmp_path)]) == 0
    (path,) = (tmp_path / "images").iterdir()
    champion = load_champion(open_registry(workspace))
    assert champion is not None
    model = champion.adapter.model(backbone_of(workspace, "builtin"))
    pixels = read_micrograph(path).pixels
    grey = picture("asked", pixels, np.zeros(pixels.shape, np.uint8)).grey
    image = base64.b64encode(path.read_bytes()).decode()
    started = time.monotonic()
    (answer,) = asked(address, image=image).raise_for_status().json()["predictions"]
    seconds = time.monotonic() - started
    mask = decode_labels(base64.b64decode(answer["mask"]))
    assert mask.shape == (120, 200) and answer["phases"] == ["matrix", "second"]
    np.testing.assert_array_equal(mask, segment_phases(model, grey, no_ratio(2)))
    assert answer["fractions"] == pytest.approx([float((mask == 0).mean()), float((mask == 1).mean())])
    assert decode_labels(base64.b64decode(answer["uncertainty"])).shape == (120, 200)
    assert 0 < answer["mean_uncertainty"] <= 0.5 and seconds < 60
    (told,) = asked(address, image=image, ratio=[0.5, 0.5]).raise_for_status().json()["predictions"]
    ratio = np.array([0.5, 0.5])
    expected = follow(phase_shares(model, grey, ratio), ratio, "guess", champion.adapter.card.prior).argmax(axis=0)
    assert (decode_labels(base64.b64decode(told["mask"])) == expected).mean() > 0.999  # of another process
    met = asked(address, image=image, ratio=[0.5, 0.5], trust="measured").raise_for_status().json()["predictions"][0]
    assert met["fractions"] == pytest.approx([0.5, 0.5], abs=0.01)


def test_what_cannot_be_answered_is_refused_with_the_reason(address: str) -> None:
    answer = asked(address, image=base64.b64encode(b"no image").decode())
    assert answer.status_code == 400 and "UnreadableImageError: image 0" in answer.json()["stack_trace"]
    assert asked(address, picture="x").status_code == 400

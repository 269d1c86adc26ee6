"""An annotator's view: a real browser opens the task, sees the masks, corrects one, and submits."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from label_studio_sdk.converter.brush import decode_rle
from playwright.sync_api import Page, sync_playwright

from matcurate.catalog import CorrectionRecord, MicrographRecord, list_corrections
from matcurate.imaging.labels import decode_labels
from matcurate.labelstudio import LabelStudioClient
from matcurate.workflows.home import Workspace, connected_project_id, label_studio_client, open_workspace
from matcurate.workflows.ingest import ingest_files
from matcurate.workflows.labelling import push_project
from matcurate.workflows.presegment import presegment_micrographs, zero_shot
from tests.integration.conftest import RunningServices

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SIZE = (240, 400)
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]

NEEDS_CHROMIUM = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium; apt-get install chromium")
pytestmark = [pytest.mark.integration, NEEDS_CHROMIUM]


@pytest.fixture
def page(running: RunningServices) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1500, "height": 1000})
        page.goto(f"{running.services.label_studio_url}/user/login/")
        page.fill("input[name=email]", running.services.username)
        page.fill("input[name=password]", running.services.password)
        page.click("button[type=submit]")
        page.wait_for_load_state("networkidle")
        yield page
        browser.close()


def bright_disc(path: Path) -> None:
    image = np.random.default_rng(5).normal(90, 4, SIZE)
    cv2.circle(image, (300, 80), 40, 190.0, -1)  # to the right: with x for y it would lie outside
    cv2.imwrite(str(path), image.clip(0, 255).astype(np.uint8))


def wait_for_correction(workspace: Workspace, micrograph_id: int) -> CorrectionRecord:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with workspace.reading() as session:
            found = list_corrections(session, workspace.project().id, micrograph_id=micrograph_id)
        if found:
            return found[0]
        time.sleep(0.3)
    raise AssertionError("no correction arrived within 30 s")


def amber(screenshot: bytes, box: dict[str, float], x: float, y: float) -> bool:
    """Whether the page shows the first phase's colour at a point of the micrograph (x, y in its pixels)."""
    picture = cv2.imdecode(np.frombuffer(screenshot, np.uint8), cv2.IMREAD_COLOR)
    scale = box["width"] / SIZE[1]
    blue, _, red = picture[int(box["y"] + y * scale), int(box["x"] + x * scale)].astype(int)
    return bool(red > blue + 40)


def open_task(
    client: LabelStudioClient, workspace: Workspace, version: str, micrograph: MicrographRecord, page: Page
) -> None:
    """Push a version's predictions, and open the micrograph's task."""
    push_project(workspace, client, version)
    project_id = connected_project_id(workspace.settings)
    tasks = client.tasks.of_project(project_id)
    (task,) = [t for t in tasks if t.data.get("micrograph") == micrograph.content_hash]
    page.goto(f"{client.url}/projects/{project_id}/data?task={task.id}")
    page.wait_for_selector("canvas", timeout=60_000)
    page.wait_for_selector("button:has-text('Submit')", timeout=60_000)
    page.wait_for_timeout(4000)  # the mask is decoded and drawn after the canvas is there


def test_a_correction_drawn_in_the_page_is_in_the_catalog(running: RunningServices, page: Page, tmp_path: Path) -> None:
    workspace = open_workspace(running.settings)
    bright_disc(tmp_path / "disc.png")
    (micrograph,) = ingest_files(workspace, [tmp_path / "disc.png"]).added
    segmenter = zero_shot(workspace)
    presegment_micrographs(workspace, segmenter, ids=[micrograph.id])
    with label_studio_client(running.settings) as client:
        open_task(client, workspace, segmenter.version, micrograph, page)
        box = page.locator("canvas").first.bounding_box()
        assert box is not None
        seen = page.screenshot()
        assert amber(seen, box, 300, 80)
        assert not amber(seen, box, 80, 80) and not amber(seen, box, 80, 200)

        page.keyboard.press("1")
        scale = box["width"] / SIZE[1]
        start = (box["x"] + 60 * scale, box["y"] + 180 * scale)
        page.mouse.move(*start)
        page.mouse.down()
        for step in range(1, 21):
            page.mouse.move(start[0] + 5 * step * scale, start[1])
            page.wait_for_timeout(20)
        page.mouse.up()
        page.wait_for_timeout(1000)
        page.locator("button:has-text('Submit')").click()

        correction = wait_for_correction(workspace, micrograph.id)
        annotation = client.annotations.get(correction.ls_annotation_id)
    shown = np.zeros(SIZE, bool)
    for region in annotation.result:
        if region["type"] == "brushlabels":
            shown |= decode_rle(region["value"]["rle"]).reshape(*SIZE, 4)[..., 3] > 0
    corrected = decode_labels(workspace.objects.get(correction.phases_key)) > 0
    np.testing.assert_array_equal(corrected, shown)
    assert corrected[80, 300] and corrected[180, 110]
    assert not corrected[110, 180] and not corrected[20, 20]
    assert correction.parent_prediction_id is not None

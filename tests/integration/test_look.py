"""What an annotator sees of the vacuity map, in a real browser: beside the labels where there is one, else nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, sync_playwright

from matcurate.config import RankSettings
from matcurate.workflows.home import Workspace, connected_project_id, label_studio_client
from matcurate.workflows.ingest import ingest_files
from matcurate.workflows.presegment import register_version, zero_shot
from matcurate.workflows.ranking import open_scorer
from matcurate.workflows.ranking.rank import rank
from matcurate.workflows.ranking.score_store import ScoredImage, store_scored
from tests.integration.conftest import RunningServices, project_of_its_own
from tests.integration.test_page import CHROMIUM, FLAGS, SIZE

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium; apt-get install chromium"),
]


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


@pytest.fixture
def workspace(running: RunningServices) -> Iterator[Workspace]:
    with project_of_its_own(running, "looking") as workspace:
        yield workspace


def test_a_map_is_shown_beside_the_labels_and_a_task_without_one_looks_as_before(
    workspace: Workspace, page: Page, tmp_path: Path
) -> None:
    for index in range(2):
        image = np.random.default_rng(index).normal(90, 4, SIZE)
        cv2.imwrite(str(tmp_path / f"look{index}.png"), image.clip(0, 255).astype(np.uint8))
    with_map, without = ingest_files(workspace, [tmp_path]).added
    segmenter = zero_shot(workspace)
    version = register_version(workspace, workspace.project(), segmenter)
    corner = np.zeros(SIZE, np.float32)
    corner[:60, 300:] = 0.8
    for micrograph, vacuity in ((with_map, corner), (without, None)):
        scored = ScoredImage(np.zeros(2, np.float32), np.array([1.0, 0.0]), {"vacuity": 0.1}, vacuity)
        store_scored(workspace, open_scorer(workspace, segmenter).digest, version, micrograph, scored)
    with label_studio_client(workspace.settings) as client:
        report = rank(workspace, segmenter, client, RankSettings(strategy="evidential"), "ann")
        data_page = f"{client.url}/projects/{connected_project_id(workspace.settings)}/data"
    assert (report.overlays, report.written, len(report.chosen)) == (1, True, 2)
    tasks = {each.id: each.task for each in report.chosen}

    page.goto(f"{data_page}?task={tasks[with_map.id]}")
    page.wait_for_selector("canvas", timeout=60_000)
    picture = page.wait_for_selector("img[alt^='vacuity map']", timeout=60_000)
    assert picture is not None
    page.wait_for_function("document.querySelector(\"img[alt^='vacuity map']\").naturalWidth > 0")
    assert picture.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [SIZE[1], SIZE[0]]
    box = picture.bounding_box()
    assert box is not None
    shot = page.screenshot(clip={"x": box["x"], "y": box["y"], "width": box["width"], "height": box["height"]})
    seen = cv2.imdecode(np.frombuffer(shot, np.uint8), cv2.IMREAD_COLOR).astype(int)
    scale = box["width"] / SIZE[1]
    red, grey = seen[int(30 * scale), int(350 * scale)], seen[int(30 * scale), int(100 * scale)]
    assert red[2] > red[0] + 60 and abs(grey[2] - grey[0]) < 10
    assert page.locator("text=full red is a vacuity of 0.80").count() == 1
    label = page.locator("text=precipitate").first.bounding_box()
    assert label is not None and label["x"] < box["x"]

    page.goto(f"{data_page}?task={tasks[without.id]}")
    page.wait_for_selector("canvas", timeout=60_000)
    page.wait_for_selector("button:has-text('Submit')", timeout=60_000)
    assert page.locator("img[alt^='vacuity map']").count() == 0
    assert "$look" not in page.inner_text("body") and "Where to look" not in page.inner_text("body")

"""An annotator's view of the smart tools: a click in a real browser gives an object, and only its mask is submitted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page

from matcurate.catalog import MicrographRecord
from matcurate.imaging.labels import decode_labels
from matcurate.labelstudio import LabelStudioClient, decode_rle
from matcurate.segmentation.result import Segmentation
from matcurate.types import BoolMask, Pixels
from matcurate.workflows.home import Workspace, label_studio_client
from matcurate.workflows.ingest import ingest_files
from matcurate.workflows.presegment import ZeroShot, presegment_micrographs, zero_shot
from matcurate.workflows.presegment.presegmenter import VersionFacts
from tests.integration.conftest import RunningServices, project_of_its_own
from tests.integration.test_page import NEEDS_CHROMIUM, open_task, wait_for_correction
from tests.integration.test_page import page as page

SIZE = (240, 400)
pytestmark = [pytest.mark.integration, NEEDS_CHROMIUM]


def disc(x: int, y: int, radius: int) -> BoolMask:
    return cv2.circle(np.zeros(SIZE, np.uint8), (x, y), radius, 1, -1) > 0


LARGE = (300, 150)
DISCS = [disc(90, 70, 34), disc(*LARGE, 42), disc(180, 190, 25)]
POINT_KEY, FOLLOW_KEY, BOX_KEY = 4, 6, 7
"""Keys of the label "precipitate" of smart points, of the one that follows ratios, and of "precipitate" of boxes."""


def draw_discs(path: Path, seed: int = 7) -> None:
    image = np.random.default_rng(seed).normal(90, 5, SIZE)
    for mask in DISCS:
        image[mask] += 90
    cv2.imwrite(str(path), cv2.GaussianBlur(image, (0, 0), 1).clip(0, 255).astype(np.uint8))


def iou(one: BoolMask, other: BoolMask) -> float:
    return float((one & other).sum() / (one | other).sum())


@dataclass(frozen=True)
class SeesTheFirst:
    """A model that finds one of the discs: the expert adds the others."""

    built: ZeroShot
    version: str = "sees-the-first"
    method: str = "MatSAM"

    @property
    def facts(self) -> VersionFacts:
        return self.built.facts

    def segment(self, pixels: Pixels, ratio: object = None, ignored: BoolMask | None = None) -> Segmentation:
        return Segmentation(DISCS[0].astype(np.uint8), DISCS[0].astype(np.uint32), 0.9)


class Expert:
    """Points at the micrograph on the page; keeps what the backend suggests."""

    def __init__(self, page: Page) -> None:
        self.page = page
        box = page.locator("canvas").first.bounding_box()
        assert box is not None
        self.left, self.top, self.scale = box["x"], box["y"], box["width"] / SIZE[1]
        self.smart = page.locator(".lsf-tool_smart").first

    def at(self, x: float, y: float) -> tuple[float, float]:
        return self.left + x * self.scale, self.top + y * self.scale

    def choose(self, tool: str, label: int) -> None:
        """Take a smart tool, then the label of its control: the page drops the label after every region."""
        wanted = self.page.locator(f"[aria-label='{tool}'].lsf-tool_smart")
        for _ in range(4):
            if "lsf-tool_active" in (wanted.get_attribute("class") or ""):
                break
            self.smart.click()
            self.page.wait_for_timeout(300)
        self.page.keyboard.press(str(label))
        self.page.wait_for_timeout(300)

    def suggested(self, gesture: Callable[[], None]) -> BoolMask:
        with self.page.expect_response(lambda answer: "interactive-annotating" in answer.url) as answer:
            gesture()
        (region,) = answer.value.json()["data"]["result"]
        self.page.wait_for_timeout(1500)  # the suggestion is decoded and drawn
        return decode_rle(region["value"]["rle"], SIZE)

    def click(self, x: float, y: float, *, away: bool = False) -> BoolMask:
        self.choose("key-point-tool", POINT_KEY)
        return self.suggested(
            lambda: self.page.locator("canvas").first.click(
                position={"x": x * self.scale, "y": y * self.scale}, modifiers=["Alt"] if away else [], force=True
            )
        )

    def box(self, left: float, top: float, right: float, bottom: float) -> BoolMask:
        self.choose("rectangle-tool", BOX_KEY)

        def draw() -> None:
            mouse = self.page.mouse
            mouse.move(*self.at(left, top))
            mouse.down()
            mouse.move(*self.at((left + right) / 2, (top + bottom) / 2), steps=5)
            mouse.move(*self.at(right, bottom), steps=5)
            mouse.up()

        return self.suggested(draw)

    def accept(self) -> None:
        self.page.get_by_test_id("bottombar-accept-suggestions-button").click()
        self.page.wait_for_timeout(1000)


def opened(
    client: LabelStudioClient, workspace: Workspace, version: str, micrograph: MicrographRecord, page: Page
) -> Expert:
    """Open the micrograph's task with Auto-Annotation on."""
    open_task(client, workspace, version, micrograph, page)
    page.get_by_test_id("bottombar-auto-annotation-toggle").click()
    return Expert(page)


@pytest.fixture
def workspace(running: RunningServices, request: pytest.FixtureRequest) -> Iterator[Workspace]:
    with project_of_its_own(running, request.node.name[:40]) as made:
        yield made


def test_clicks_and_a_box_become_the_correction(workspace: Workspace, page: Page, tmp_path: Path) -> None:
    draw_discs(tmp_path / "discs.png")
    (micrograph,) = ingest_files(workspace, [tmp_path / "discs.png"]).added
    blind = SeesTheFirst(zero_shot(workspace))
    presegment_micrographs(workspace, blind, ids=[micrograph.id])
    with label_studio_client(workspace.settings) as client:
        expert = opened(client, workspace, blind.version, micrograph, page)

        large = expert.click(*LARGE)
        assert iou(large, DISCS[1]) > 0.8
        corner = (LARGE[0] + 30, LARGE[1])
        corrected = expert.click(*corner, away=True)
        assert not corrected[corner[1], corner[0]] and corrected[LARGE[1], LARGE[0]]
        assert corrected.sum() < large.sum()
        expert.accept()
        small = expert.box(150, 160, 210, 220)
        assert iou(small, DISCS[2]) > 0.8
        page.screenshot(path=tmp_path / "suggested.png")
        expert.accept()
        page.screenshot(path=tmp_path / "accepted.png")
        page.locator("button:has-text('Submit')").click()
        correction = wait_for_correction(workspace, micrograph.id)
        annotation = client.annotations.get(correction.ls_annotation_id)
    assert {region["type"] for region in annotation.result} <= {"brushlabels", "number", "choices", "textarea"}
    submitted = decode_labels(workspace.objects.get(correction.phases_key)) > 0
    np.testing.assert_array_equal(submitted, DISCS[0] | corrected | small)


def test_masks_follow_an_area_fraction_typed_on_the_page(workspace: Workspace, page: Page, tmp_path: Path) -> None:
    draw_discs(tmp_path / "ratio.png", seed=8)
    (micrograph,) = ingest_files(workspace, [tmp_path / "ratio.png"]).added
    segmenter = zero_shot(workspace)
    presegment_micrographs(workspace, segmenter, ids=[micrograph.id])
    with label_studio_client(workspace.settings) as client:
        expert = opened(client, workspace, segmenter.version, micrograph, page)
        ratio = page.locator("input[name=ratio_1]")
        ratio.fill("0.2")
        page.locator("label", has_text="measured").click()
        page.wait_for_timeout(6000)  # the page saves a draft, from which the backend reads the fractions
        expert.choose("key-point-tool", FOLLOW_KEY)
        with page.expect_response(lambda answer: "interactive-annotating" in answer.url) as answer:
            page.mouse.click(*expert.at(350, 20))
        result = {region["id"]: region["value"] for region in answer.value.json()["data"]["result"]}
        page.wait_for_timeout(1500)
        page.screenshot(path=tmp_path / "followed.png")
        followed = decode_rle(result["phase-1"]["rle"], SIZE)
        assert followed.mean() == pytest.approx(0.2, abs=0.01)
        assert result["areas"]["text"][0].startswith("precipitate: told 0.200, found 0.")
        expert.accept()
        page.screenshot(path=tmp_path / "followed-accepted.png")
        page.locator("button:has-text('Submit')").click()
        correction = wait_for_correction(workspace, micrograph.id)
    np.testing.assert_array_equal(decode_labels(workspace.objects.get(correction.phases_key)) > 0, followed)

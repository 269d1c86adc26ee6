"""Component-tree predictor on images made by hand."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from pydantic import ValidationError
from skimage.draw import disk

from matcurate.imaging.stretch import stretched
from matcurate.promptable.hierarchy import build
from matcurate.promptable.protocol import Exhaustive
from matcurate.promptable.tree import TreeBackbone, TreeSettings
from matcurate.promptable.tree.relief import edge_level, noise, relief, steepness
from matcurate.promptable.tree.selection import best_disjoint, outline_mean

SHAPE = (96, 160)


def nested_discs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Grey 50 with a disc of 120 that holds a disc of 200, and a dark rectangle of 10."""
    image = np.full(SHAPE, 50, np.uint8)
    image[disk((40, 60), 20)] = 120
    image[disk((40, 60), 8)] = 200
    image[10:20, 120:150] = 10
    return image, image == 200, image >= 120


def micrograph(seed: int = 0, shading: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Noisy uint8 image (96, 160) with bright discs of radius 5 on a grid, darker to the right by ``shading``."""
    truth = np.zeros(SHAPE, bool)
    for row in range(12, 96, 24):
        for column in range(12, 150, 24):
            truth[disk((row, column), 5)] = True
    rng = np.random.default_rng(seed)
    grey = 120 + 50.0 * truth - shading * np.linspace(0, 1, SHAPE[1])
    grey = cv2.GaussianBlur(grey, (0, 0), 0.8) + rng.normal(0, 6, SHAPE)
    return np.clip(grey, 0, 255).astype(np.uint8), truth


def ask(image: np.ndarray, *points: tuple[float, float, int]):
    given = np.array(points, dtype=float)
    predictor = TreeBackbone().open(image)
    return predictor.predict(given[None, :, :2], given[None, :, 2].astype(int))[0]


def painted(image: np.ndarray, side: str) -> np.ndarray:
    full = np.zeros(image.shape, int)
    for candidate in TreeBackbone().open(image).regions(side):
        full += candidate.paint(image.shape)
    assert full.max(initial=0) <= 1, "regions overlap"
    return full > 0


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_a_point_gives_the_nested_regions_around_it_exactly() -> None:
    image, inner, outer = nested_discs()
    answer = ask(image, (60, 40, 1))
    clearest = sorted(answer, key=lambda candidate: candidate.quality)[-2:]
    assert [c.area for c in clearest[::-1]] == [193, 1245]
    for candidate, truth in zip(clearest[::-1], (inner, outer), strict=True):
        np.testing.assert_array_equal(candidate.paint(SHAPE), truth)
    assert [c.area for c in answer] == sorted(c.area for c in answer)
    (ring,) = ask(image, (60, 57, 1))
    np.testing.assert_array_equal(ring.paint(SHAPE), outer)


def test_x_runs_along_the_width() -> None:
    image, _, _ = nested_discs()
    best = max(ask(image, (149, 10, 1)), key=lambda candidate: candidate.quality)
    assert best.box == (10, 120, 20, 150)
    assert best.mask.all()
    with pytest.raises(ValueError, match="outside"):
        ask(image, (10, 149, 1))


def test_several_foreground_points_ask_for_what_holds_them_all() -> None:
    image, _, outer = nested_discs()
    (both,) = ask(image, (60, 40, 1), (60, 57, 1))
    np.testing.assert_array_equal(both.paint(SHAPE), outer)
    assert ask(image, (60, 40, 1), (5, 90, 1)) == ()  # only the whole image holds both


def test_a_background_point_keeps_the_regions_that_hold_it_out() -> None:
    image, inner, _ = nested_discs()
    answer = ask(image, (60, 40, 1), (60, 57, 0))
    assert not any(candidate.paint(SHAPE)[57, 60] for candidate in answer)
    best = max(answer, key=lambda candidate: candidate.quality)
    np.testing.assert_array_equal(best.paint(SHAPE), inner)
    assert ask(image, (60, 40, 1), (60, 40, 0)) == ()


def test_padding_is_ignored_and_no_foreground_is_no_answer() -> None:
    image, _, _ = nested_discs()
    alone, padded = ask(image, (60, 57, 1)), ask(image, (-9, 999, -1), (60, 57, 1), (np.nan, 0, -1))
    assert [c.box for c in padded] == [c.box for c in alone]
    assert ask(image, (60, 40, 0)) == ask(image, (0, 0, -1)) == ()


def test_exhaustive_sets_of_both_sides() -> None:
    image, _, outer = nested_discs()
    predictor = TreeBackbone().open(image)
    assert isinstance(predictor, Exhaustive)
    (bright,) = predictor.regions("bright")
    np.testing.assert_array_equal(bright.paint(SHAPE), outer)
    (dark,) = predictor.regions("dark")
    assert dark.box == (10, 120, 20, 150)
    assert dark.area == 300 - 4  # the blur rounds the corners


def test_every_answer_holds_its_points_and_is_nested() -> None:
    image, _ = micrograph()
    rng = np.random.default_rng(1)
    points = np.stack([rng.uniform(0, 160, (300, 4)), rng.uniform(0, 96, (300, 4))], axis=-1)
    points[:, 1:] = np.clip(points[:, :1] + rng.normal(0, 6, (300, 3, 2)), 0, (159.9, 95.9))
    labels = np.array([[1, 1, 0, -1]] * 300)
    answers = TreeBackbone().open(image).predict(points, labels)
    assert sum(map(bool, answers)) > 30
    for answer, (first, second, refused, _) in zip(answers, points.astype(int), strict=True):
        masks = [candidate.paint(SHAPE) for candidate in answer]
        assert len(masks) <= 3
        for mask in masks:
            assert mask[first[1], first[0]] and mask[second[1], second[0]]
            assert not mask[refused[1], refused[0]]
        assert all((small <= large).all() and small.sum() < large.sum() for small, large in pairwise(masks))


def test_a_large_batch_answers_as_one_by_one() -> None:
    image, _ = micrograph()
    predictor = TreeBackbone().open(image)
    y, x = np.mgrid[0:96:2, 0:160:2].reshape(2, -1)
    points = np.tile(np.stack([x, y], axis=1)[:, None].astype(float), (2, 1, 1))
    assert len(points) > 2048
    together = predictor.predict(points, np.ones(points.shape[:2], int))
    for index in (0, 700, 2047, 2048, len(points) - 1):
        (alone,) = predictor.predict(points[index : index + 1], np.ones((1, 1), int))
        assert alone == together[index]  # the very same objects


def test_inverting_the_image_turns_bright_into_dark() -> None:
    image, truth = micrograph(shading=40)
    np.testing.assert_array_equal(painted(255 - image, "dark"), painted(image, "bright"))
    assert iou(painted(image, "bright"), truth) > 0.85


def test_transposing_the_image_transposes_the_masks() -> None:
    image, _ = micrograph()
    assert iou(painted(image.T, "bright").T, painted(image, "bright")) > 0.99


def test_shading_stronger_than_the_contrast_hides_nothing() -> None:
    image, truth = micrograph(shading=90)
    threshold, _ = cv2.threshold(image, 0, 255, cv2.THRESH_OTSU)
    assert iou(image > threshold, truth) < 0.25
    assert iou(painted(image, "bright"), truth) > 0.85


@pytest.mark.parametrize(
    "deeper",
    [
        pytest.param(lambda image: image.astype(np.uint16) * 257, id="uint16"),
        pytest.param(lambda image: image.astype(np.uint16) + 30000, id="uint16 of low contrast"),
        pytest.param(lambda image: image.astype(np.float32) / 1e4 - 5, id="float32"),
        pytest.param(lambda image: image.astype(np.float64), id="float64"),
    ],
)
def test_depth_and_offset_do_not_matter(deeper) -> None:
    image, _ = micrograph()
    assert iou(painted(deeper(image), "bright"), painted(image, "bright")) > 0.99


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 3), (30, 50)])
def test_a_constant_image_has_no_regions(shape: tuple[int, int]) -> None:
    predictor = TreeBackbone().open(np.full(shape, 7, np.uint16))
    assert predictor.shape == shape
    assert predictor.regions("bright") == predictor.regions("dark") == ()
    assert predictor.predict(np.zeros((2, 1, 2)), np.ones((2, 1), int)) == [(), ()]


def test_a_line_of_pixels_is_an_image() -> None:
    line = np.full((1, 60), 20, np.uint8)
    line[0, 20:35] = 200
    (region,) = TreeBackbone().open(line).regions("bright")
    assert region.box == (0, 20, 1, 35)
    (column,) = TreeBackbone().open(line.T).regions("bright")
    assert column.box == (20, 0, 35, 1)


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 5, 3)), np.zeros((0, 5)), np.array([[1.0, np.nan]]), np.array([[np.inf, 0.0]])]
)
def test_what_is_no_grey_image_is_refused(pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="pixels must be"):
        TreeBackbone().open(pixels)


def test_the_digest_follows_the_settings() -> None:
    assert TreeBackbone().name == "tree"
    assert TreeBackbone().digest == TreeBackbone(TreeSettings()).digest
    assert len(bytes.fromhex(TreeBackbone().digest)) == 32
    assert TreeBackbone(TreeSettings(min_area=9)).digest != TreeBackbone().digest
    with pytest.raises(ValidationError):
        TreeSettings.model_validate({"delta": 3})


def test_hierarchy_of_two_hills() -> None:
    levels = np.array([[0, 1, 2, 1, 0, 3, 0]], np.int32)
    tree = build(levels, min_area=1)
    regions = {tuple(np.flatnonzero(tree_mask(tree, node))): node for node in range(len(tree.parent))}
    assert set(regions) == {(2,), (1, 2, 3), (5,), (0, 1, 2, 3, 4, 5, 6)}
    hill, peak, other, whole = regions[1, 2, 3], regions[(2,)], regions[(5,)], tree.root
    assert tree.parent[[peak, hill, other, whole]].tolist() == [hill, whole, whole, whole]
    assert tree.meeting(np.array([peak, peak]), np.array([hill, other])).tolist() == [hill, whole]
    np.testing.assert_array_equal(tree.total(np.arange(7.0)[None])[[peak, hill, other, whole]], [2, 6, 5, 21])
    slope = np.array([[1, 3, 5, 7, 9, 11, 13]], np.float32)
    # hill: between 0|1 (2) and 3|4 (8); peak: 1|2 (4) and 2|3 (6); other: 4|5 (10) and 5|6 (12)
    assert outline_mean(tree, levels, slope)[[hill, peak, other]].tolist() == [5, 5, 11]
    worth = np.zeros(4)
    worth[[peak, hill, other]] = 3, 2, 1
    assert set(best_disjoint(tree, worth)) == {peak, other}
    worth[hill] = 3  # equal to what is inside it: the larger region is taken
    assert set(best_disjoint(tree, worth)) == {hill, other}


def tree_mask(tree, node: int) -> np.ndarray:
    top, left, mask = tree.mask(node)
    full = np.zeros(tree.shape, bool)
    full[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
    return full


def test_regions_below_the_smallest_area_leave_the_hierarchy() -> None:
    levels = np.array([[0, 1, 2, 1, 0, 3, 0]], np.int32)
    assert sorted(build(levels, min_area=2).area) == [3, 7]


def test_noise_is_measured_and_edges_are_not() -> None:
    step = np.zeros((200, 300), np.float32)
    step[:, 150:] = 1
    assert noise(step) == 0
    noisy = step + np.random.default_rng(0).normal(0, 0.05, step.shape).astype(np.float32)
    assert noise(noisy) == pytest.approx(0.05, rel=0.03)


def test_steepness_of_a_ramp_is_its_slope() -> None:
    ramp = np.tile(np.arange(30, dtype=np.float32) * 0.02, (20, 1))
    np.testing.assert_allclose(steepness(ramp)[1:-1, 1:-1], 0.02, rtol=1e-5)
    np.testing.assert_allclose(steepness(ramp.T)[1:-1, 1:-1], 0.02, rtol=1e-5)


def test_the_edge_level_is_halfway_up_the_nearest_edge() -> None:
    # Two steps far apart, 0 | 0.4 | 1: left of the middle of the plateau the first one counts.
    grey = np.zeros((64, 256), np.float32)
    grey[:, 64:] = 0.4
    grey[:, 192:] = 1.0
    grey = cv2.GaussianBlur(grey, (0, 0), 1)
    level = edge_level(grey, steepness(grey))
    assert level[32, 60] == pytest.approx(0.2, abs=0.05)
    assert level[32, 196] == pytest.approx(0.7, abs=0.05)


def test_stretching_keeps_what_is_rarer_than_a_percentile() -> None:
    image = np.full((50, 100), 3, np.uint8)
    image[20, 30:34] = 9
    assert stretched(image)[20, 30:34].tolist() == [1, 1, 1, 1]
    assert stretched(np.array([[0, 10, 20]]))[0].tolist() == pytest.approx([0, 0.5, 1], abs=0.01)


def test_without_denoising_and_blur_the_relief_is_the_image() -> None:
    image, _ = micrograph()
    grey = relief(image, TreeSettings(denoise=0, blur=0))
    low, high = np.percentile(image, (0.5, 99.5))
    np.testing.assert_allclose(grey, np.clip((image - low) / (high - low), 0, 1), atol=1e-6)

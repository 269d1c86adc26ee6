"""Scratches and seams: found by their shape, taken out, and boundaries of grains left alone."""

import cv2
import numpy as np
import pytest
import torch

from matcurate.config import load_preset
from matcurate.imaging.synth.canvas import Canvas
from matcurate.imaging.synth.nuisances import Nuisances, scratches
from matcurate.imaging.synth.registry import generate
from matcurate.promptable.tree import TreeBackbone
from matcurate.segmentation.matsam.lines import without_lines
from matcurate.segmentation.matsam.pipeline import MatSam, MatSamPreset
from matcurate.segmentation.matsam.scratches import edge_distance, find_scratches, without
from matcurate.segmentation.matsam.seams import find_seams, levelled
from matcurate.segmentation.metrics import adjusted_rand_index
from matcurate.segmentation.relief import FAR, calm

SIZE = (320, 448)
CLEAN = Nuisances(scratches=(0, 0), stitching=0)
STITCHED = CLEAN.model_copy(update={"stitching": 1.0, "stitching_step": (0.1, 0.1)})


def grains(seed: int, options: Nuisances = CLEAN) -> tuple[np.ndarray, np.ndarray]:
    micrograph = generate("grains", SIZE, np.random.default_rng([9, seed]), options)
    return micrograph.pixels, micrograph.instances


def scratched(pixels: np.ndarray, seed: int, depth: float = 0.2) -> np.ndarray:
    with torch.inference_mode():
        drawn = scratches(Canvas.of(SIZE, np.random.default_rng([5, seed])), 6, depth).numpy()
    return np.clip(pixels + 255 * drawn, 0, 255).astype(np.uint8)


def stepped(step: float) -> np.ndarray:
    """Grains, from row 120 on brighter by ``step`` grey levels."""
    image = grains(4)[0].astype(np.float32)
    image[120:] += step
    return image


@pytest.mark.parametrize("step", [25.0, -25.0])
def test_a_seam_is_found_where_it_is_and_its_step_is_gone(step: float) -> None:
    image, plain = stepped(step), stepped(0.0)
    assert find_seams(calm(image, FAR)) == (119,)
    assert find_seams(np.ascontiguousarray(calm(image, FAR).T)) == ()
    flat = levelled(image, (119,), ())
    assert flat.mean() == pytest.approx(image.mean(), abs=0.01)
    gone = (flat - flat.mean()) - (plain - plain.mean())
    assert np.abs(gone).mean() < 0.1 * abs(step) / 2  # the step alone leaves half of it everywhere


def test_levelling_does_not_swap_x_and_y() -> None:
    image = stepped(25.0)
    across = levelled(np.ascontiguousarray(image.T), (), (119,))
    assert across == pytest.approx(levelled(image, (119,), ()).T, abs=1e-2)


def test_two_seams_of_one_axis_are_found() -> None:
    image = stepped(25.0)
    image[200:] -= 40
    assert find_seams(calm(image, FAR)) == (119, 199)


def line() -> tuple[np.ndarray, np.ndarray]:
    """Grains with one dark line across them, and without."""
    clean = grains(4)[0]
    shade = np.zeros(SIZE, dtype=np.float32)
    cv2.line(shade, (0, 100), (447, 234), 1.0, 1, cv2.LINE_AA)  # slope .3
    return (clean - 60 * cv2.GaussianBlur(shade, (0, 0), 0.8)).clip(0, 255).astype(np.uint8), clean.astype(float)


def test_a_scratch_is_found_and_taken_out_with_the_boundaries_left() -> None:
    image, clean = line()
    found = find_scratches(calm(image, FAR))
    assert found and all(abs(s.along[1] / s.along[0] - 0.3) < 0.05 for s in found)
    mended = without(image, found).astype(float)
    inside = slice(16, 432)
    before, after = (np.abs(picture - clean)[:, inside] for picture in (image, mended))
    assert np.mean(after > 15) < 0.6 * np.mean(before > 15)  # parts that cross boundaries are left
    assert after.mean() < before.mean()


def test_a_line_between_two_greys_and_a_short_line_are_no_scratches() -> None:
    rows, _ = np.mgrid[:96, :160]
    step = np.where(rows < 40, 90.0, 150.0) + np.random.default_rng(1).normal(0, 2, (96, 160))
    etched = step - 60 * np.exp(-((rows - 40) ** 2) / 2)
    assert find_scratches(calm(etched.astype(np.float32), FAR)) == ()
    short = np.full((96, 160), 120.0) + np.random.default_rng(1).normal(0, 2, (96, 160))
    short[50:52, 60:100] -= 50
    assert find_scratches(calm(short.astype(np.float32), FAR)) == ()


def test_the_distance_between_edges_is_that_of_the_squares() -> None:
    rows, columns = np.mgrid[:96, :160]
    squares = np.where((rows // 16 + columns // 16) % 2, 200, 60).astype(np.uint8)
    assert edge_distance(squares) == pytest.approx(16, rel=0.25)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_what_has_no_lines_comes_back_itself(dtype: type) -> None:
    pixels = grains(0)[0].astype(dtype)
    mended, grey = without_lines(pixels)
    assert mended is pixels and np.array_equal(grey, calm(pixels, FAR))
    constant = np.full((48, 80), 5, dtype=dtype)
    assert without_lines(constant)[0] is constant


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_other_depths_are_mended_alike(dtype: type) -> None:
    pixels = line()[0]
    mended = without_lines(pixels)[0]
    deep = without_lines(pixels.astype(dtype) * 200)[0]
    assert deep.dtype == dtype and not np.array_equal(mended, pixels)
    assert np.abs(deep / 200.0 - mended).max() < 3


def test_grains_come_out_as_without_scratches_and_seams() -> None:
    segmenter = MatSam(TreeBackbone(), load_preset("grains", MatSamPreset, "presets"))
    careless = MatSam(TreeBackbone(), segmenter.preset.model_copy(update={"straight_lines": "kept"}))
    pixels, truth = grains(4)

    def result(method: MatSam, image: np.ndarray, wanted: np.ndarray) -> tuple[float, int]:
        found = method.segment(image)
        return adjusted_rand_index(found.instances, wanted), found.count

    plain, count = result(segmenter, pixels, truth)
    marked = scratched(pixels, 4)
    ours, ours_count = result(segmenter, marked, truth)
    theirs, theirs_count = result(careless, marked, truth)
    assert plain > 0.8 and ours > plain - 0.03
    assert abs(ours_count - count) < 0.6 * abs(theirs_count - count)
    assert ours >= theirs
    stitched, stitched_truth = grains(4, STITCHED)
    assert result(segmenter, stitched, stitched_truth)[0] > plain - 0.03

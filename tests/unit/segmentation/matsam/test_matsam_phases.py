"""Several phases by grey level, and touching objects split."""

import cv2
import numpy as np
import pytest
from pydantic import ValidationError
from skimage.measure import label

from matcurate.config import load_preset
from matcurate.imaging.synth.registry import generate
from matcurate.segmentation.denoising import denoise
from matcurate.segmentation.matsam.phases import count_phases, explained, phases_by_grey, split_at_necks
from matcurate.segmentation.matsam.pipeline import MatSam, MatSamPreset
from matcurate.segmentation.metrics import adjusted_rand_index, intersection_over_union
from matcurate.segmentation.objects.instances import pieces
from tests.unit.threshold_backbone import ThresholdBackbone

SHAPE = (96, 160)


def matsam(preset: str = "phases", **changes: object) -> MatSam:
    return MatSam(ThresholdBackbone(), load_preset(preset, MatSamPreset, "presets").model_copy(update=changes))


def three_phases() -> tuple[np.ndarray, np.ndarray]:
    """Dark discs (class 1) and bright ones (class 2) in a grey matrix, blurred and noisy."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    inside = np.hypot(rows % 32 - 16, columns % 32 - 16) < 10
    bright = (rows // 32 + columns // 32) % 2 == 1
    classes = np.where(inside, 1 + bright, 0)
    levels = np.array([120.0, 50.0, 210.0])[classes]
    noisy = cv2.GaussianBlur(levels, (0, 0), 1.0) + np.random.default_rng(3).normal(0, 4, SHAPE)
    return noisy.clip(0, 255).astype(np.uint8), classes.astype(np.uint8)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_three_phases_come_with_ids_from_dark_to_bright(dtype: type) -> None:
    pixels, truth = three_phases()
    pixels = (pixels.astype(np.float64) * (1 if dtype is np.uint8 else 200)).astype(dtype)
    for phases in (2, "auto"):
        result = matsam(phases=phases).segment(pixels)
        assert np.mean(result.phases != truth) < 0.02
        assert result.count == 15
        assert result.score > 0.9
    turned = matsam(phases=2).segment(np.ascontiguousarray(pixels.T))
    assert np.mean(turned.phases.T != result.phases) < 0.005


def test_blurred_outlines_are_no_phase_of_their_own() -> None:
    """Between dark and bright lies grey; the rim of a bright disc in a dark one must not be matrix grey."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    distance = np.hypot(rows - 48, columns - 80)
    levels = np.where(distance < 16, 210.0, np.where(distance < 36, 40.0, 120.0))
    grey = denoise(cv2.GaussianBlur(levels, (0, 0), 1.5).astype(np.uint8))
    phases = phases_by_grey(grey, None, 2)
    assert set(np.unique(phases[distance < 33])) == {1, 2}
    assert label(phases == 0).max() == 1


def test_the_side_that_is_told_names_the_matrix() -> None:
    pixels, truth = three_phases()
    bright, dark = (matsam(phases=2).segment(pixels, side).phases for side in ("bright", "dark"))
    order = {0: (1, 0, 2), 1: (2, 1, 0)}  # class of matrix, dark and bright discs
    assert np.mean(bright != np.array(order[0])[truth]) < 0.02
    assert np.mean(dark != np.array(order[1])[truth]) < 0.02


@pytest.mark.parametrize("kind", ["phases", "particles"])
def test_two_phases_are_not_taken_for_more_and_stay_as_they_are(kind: str) -> None:
    for seed in range(4):
        micrograph = generate(kind, (128, 192), np.random.default_rng(seed))
        if len(np.unique(micrograph.phases)) == 2:
            assert count_phases(denoise(micrograph.pixels)) == 1
    plain, auto = (matsam(phases=phases).segment(micrograph.pixels) for phases in (1, "auto"))
    assert np.array_equal(plain.phases, auto.phases) and plain.score == auto.score


def test_a_rare_third_phase_is_found() -> None:
    scores = []
    for seed in range(14):
        micrograph = generate("phases", (256, 384), np.random.default_rng([4, seed]))
        if micrograph.phases.max() < 2:
            continue
        result = phases_by_grey(denoise(micrograph.pixels), None, 2)
        levels = [micrograph.pixels[micrograph.phases == phase].mean() for phase in (1, 2)]
        ids = (1, 2) if levels[0] < levels[1] else (2, 1)
        scores.append([intersection_over_union(result == ids[k], micrograph.phases == k + 1) for k in (0, 1)])
    assert len(scores) == 6
    assert np.mean(scores, axis=0) == pytest.approx([0.97, 0.86], abs=0.05)


def test_phases_out_of_range_are_refused_and_a_constant_image_is_no_error() -> None:
    for phases in (0, 5, "some"):
        with pytest.raises(ValidationError):
            MatSamPreset(name="mine", phases=phases)
    for shape in (SHAPE, (1, 40), (1, 1)):
        assert not matsam(phases=3).segment(np.full(shape, 9, dtype=np.uint8)).phases.any()
    assert matsam(phases=3).segment(three_phases()[0][:1]).phases.shape == (1, 160)


def test_explained_variance_by_hand() -> None:
    grey = np.array([[0, 60, 200]], dtype=np.uint8)
    classes = np.array([[0, 0, 1]], dtype=np.uint8)
    assert explained(grey, classes) == pytest.approx(2 / 9 * 170**2 / np.var([0, 60, 200]))
    assert explained(np.full((2, 3), 7, dtype=np.uint8), np.zeros((2, 3), dtype=np.uint8)) == 0.0


def test_objects_are_pieces_of_one_phase() -> None:
    phases = np.array([[1, 1, 2, 2, 0, 1], [1, 0, 2, 0, 0, 0]], dtype=np.uint8)
    assert pieces(phases, 1).tolist() == [[1, 1, 2, 2, 0, 3], [1, 0, 2, 0, 0, 0]]
    assert pieces(phases, 3).tolist() == [[1, 1, 2, 2, 0, 0], [1, 0, 2, 0, 0, 0]]


def discs(*places: tuple[float, float, float]) -> np.ndarray:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return np.any([np.hypot(rows - y, columns - x) < r for x, y, r in places], axis=0)


def test_touching_discs_are_parted_at_the_neck_and_others_are_not() -> None:
    pair = discs((50, 48, 20), (84, 48, 20))  # 34 apart, neck of 2 x 10.5
    ids = split_at_necks(pair)
    assert ids.max() == 2 and np.array_equal(ids > 0, pair)
    assert ids[48, 50] != ids[48, 84]
    assert (ids[48, :67][pair[48, :67]] == ids[48, 50]).all()
    assert split_at_necks(discs((50, 48, 20), (58, 48, 20))).max() == 1  # 8 apart: one oval
    bar = np.zeros(SHAPE, dtype=bool)
    bar[40:52, 20:140] = True
    bar[3, 3] = bar[80, 20:60] = True  # as thin as can be
    assert split_at_necks(bar).max() == 3
    assert not split_at_necks(np.zeros(SHAPE, dtype=bool)).any()


def test_touching_particles_are_parted_unless_they_are_kept() -> None:
    places = [(20 + 36 * (k % 4) + 4 * (k // 4), 24 + 36 * (k // 4), 19) for k in range(8)]
    truth = np.zeros(SHAPE, dtype=np.uint32)
    for number, place in enumerate(places, start=1):
        truth[discs(place) & (truth == 0)] = number
    pixels = (70 + 110 * (truth > 0) + np.random.default_rng(0).normal(0, 4, SHAPE)).astype(np.uint8)
    together, apart = (matsam(split_touching=split).segment(pixels, "bright") for split in (False, True))
    assert np.array_equal(together.phases, apart.phases)
    assert together.count == 1 and apart.count == 8
    assert adjusted_rand_index(apart.instances, truth) > 0.9 > 0.5 > adjusted_rand_index(together.instances, truth)

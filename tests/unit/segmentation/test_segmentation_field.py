"""The round field of view of tomographic slices: found, and segmented inside only."""

import numpy as np
import pytest

from matcurate.config import load_preset
from matcurate.imaging.synth.nuisances import Nuisances
from matcurate.imaging.synth.registry import KINDS, generate
from matcurate.segmentation.field import RIM, Disc, field_of_view
from matcurate.segmentation.matsam.pipeline import MatSam, MatSamPreset
from matcurate.segmentation.metrics import class_mean_iou
from matcurate.segmentation.polarity import decide_side
from tests.unit.threshold_backbone import ThresholdBackbone

SIZE = (192, 256)


def slice_(seed: int, disc: Disc, surroundings: int, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Generated pores seen through a disc; the truth is 0 outside."""
    micrograph = generate("pores", SIZE, np.random.default_rng([1, seed]), Nuisances(scratches=(0, 0)))
    inside = disc.mask(SIZE)
    around = surroundings + np.random.default_rng(seed).normal(0, noise, SIZE)
    pixels = np.where(inside, micrograph.pixels, around.clip(0, 255)).astype(np.uint8)
    return pixels, (micrograph.phases > 0) & inside


DISCS = [Disc(127.5, 95.5, 95.0), Disc(120.0, 100.0, 84.0), Disc(127.5, 95.5, 130.0)]  # the last is cut by the frame


@pytest.mark.parametrize("disc", DISCS)
@pytest.mark.parametrize(("surroundings", "noise"), [(0, 0.0), (127, 0.0), (110, 1.0)])
def test_the_disc_is_found(disc: Disc, surroundings: int, noise: float) -> None:
    for seed in range(3):
        result = field_of_view(slice_(seed, disc, surroundings, noise)[0])
        assert result is not None
        assert (result.x, result.y) == pytest.approx((disc.x, disc.y), abs=1.5)
        assert result.radius == pytest.approx(disc.radius - RIM, abs=2.0)


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"tomogram"}))
def test_generated_micrographs_are_seen_as_a_whole(kind: str) -> None:
    for seed in range(4):
        assert field_of_view(generate(kind, SIZE, np.random.default_rng(seed)).pixels) is None


def test_what_is_no_field_of_view() -> None:
    assert field_of_view(np.full(SIZE, 7, dtype=np.uint8)) is None
    assert field_of_view(np.zeros((20, 30), dtype=np.float32)) is None
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    noise = np.random.default_rng(0).normal(0, 20, SIZE)
    square = np.where((abs(rows - 96) < 90) & (abs(columns - 128) < 90), 120 + noise, 0)
    small = np.where(np.hypot(rows - 96, columns - 128) < 60, 120 + noise, 0)
    assert field_of_view(square.astype(np.float32)) is None
    assert field_of_view(small.astype(np.float32)) is None


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_the_surroundings_mirror_the_inside(dtype: type) -> None:
    disc = Disc(127.5, 95.5, 80.0)
    pixels = np.indices(SIZE)[1].astype(dtype)
    filled = disc.filled(pixels)
    assert filled.dtype == dtype
    assert np.array_equal(filled[disc.mask(SIZE)], pixels[disc.mask(SIZE)])
    assert float(filled[95, 212]) == pytest.approx(203, abs=1)  # 4.5 px beyond the rim at x = 207.5 shows x = 203
    assert float(filled[0, 0]) <= 207.5 and float(filled.min()) >= 47


@pytest.mark.parametrize("surroundings", [0, 127, 230])
def test_pores_are_segmented_inside_only(surroundings: int) -> None:
    segmenter = MatSam(ThresholdBackbone(), load_preset("phases", MatSamPreset, "presets"))
    scores = []
    for seed in range(3):
        pixels, truth = slice_(seed, DISCS[0], surroundings)
        assert decide_side(pixels) == "dark"
        result = segmenter.segment(pixels)
        outside = ~DISCS[0].mask(SIZE)
        assert not result.phases[outside].any() and not result.instances[outside].any()
        scores.append(class_mean_iou(result.phases > 0, truth))
    assert np.mean(scores) > 0.8

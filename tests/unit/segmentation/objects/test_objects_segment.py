"""From maps to a segmentation."""

import numpy as np
import pytest

from matcurate.promptable.builtin.maps import ObjectMaps
from matcurate.segmentation.objects.segment import segment_grains, segment_phases
from matcurate.types import Side

SHAPE = (64, 112)


def disc() -> np.ndarray:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return np.hypot(rows - 32, columns - 50) < 18


def maps_of(foreground: np.ndarray) -> ObjectMaps:
    none = np.zeros(SHAPE)
    return ObjectMaps(foreground, none, none, none)


def picture(bright: bool = True) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 4, SHAPE)
    return (np.where(disc() == bright, 170, 70) + noise).astype(np.uint8)


SURE = np.where(disc(), 0.95, 0.05)


@pytest.mark.parametrize("bright", [True, False])
def test_the_network_decides_which_side_is_the_foreground(bright: bool) -> None:
    result = segment_phases(maps_of(SURE), picture(bright), None, 4)
    assert np.array_equal(result.phases, disc()) and result.count == 1 and result.masks is None
    assert result.score > 0.8


@pytest.mark.parametrize("bright", [True, False])
def test_a_side_that_is_stated_counts(bright: bool) -> None:
    sides: tuple[Side, Side] = ("bright", "dark") if bright else ("dark", "bright")
    own, other = (segment_phases(maps_of(SURE), picture(bright), side, 4) for side in sides)
    assert np.array_equal(own.phases, disc()) and np.array_equal(other.phases, ~disc())
    assert other.score == pytest.approx(own.score, abs=0.01)


@pytest.mark.parametrize("side", [None, "bright", "dark"])
def test_where_the_network_finds_one_side_only_a_stated_side_adds_nothing(side: Side | None) -> None:
    for chance, share in ((0.05, 0), (0.95, 1)):
        result = segment_phases(maps_of(np.full(SHAPE, chance)), np.full(SHAPE, 90, dtype=np.uint8), side, 4)
        assert result.phases.mean() == share and result.count == share
        assert result.score == pytest.approx(0.95, abs=0.01)


def test_an_unsure_network_promises_less() -> None:
    unsure = np.where(disc(), 0.7, 0.3)
    scores = [segment_phases(maps_of(chance), picture(), None, 4).score for chance in (SURE, unsure)]
    assert scores[0] > scores[1] + 0.2


def test_objects_that_are_too_small_are_matrix() -> None:
    chance = SURE.copy()
    chance[2:5, 100:103] = 0.95
    pixels = picture()
    pixels[2:5, 100:103] = 170
    assert segment_phases(maps_of(chance), pixels, None, 4).count == 2
    result = segment_phases(maps_of(chance), pixels, None, 12)
    assert result.count == 1 and np.array_equal(result.phases, disc())


def test_grains_are_sure_where_the_boundaries_are_clear() -> None:
    clear, vague = np.zeros(SHAPE), np.full(SHAPE, 0.2)
    clear[:, 55:57], vague[:, 55:57] = 0.95, 0.6
    everything = np.ones(SHAPE)
    result, blurred = (segment_grains(ObjectMaps(everything, b, b, everything), 60) for b in (clear, vague))
    assert result.count == blurred.count == 2 and (result.phases == 1).all() and result.instances.min() == 1
    assert 0.5 < blurred.score < result.score <= 1.0


@pytest.mark.parametrize(("split_touching", "count"), [(True, 2), (False, 1)])
def test_touching_objects_are_split_where_that_is_asked_for(split_touching: bool, count: int) -> None:
    contact = np.zeros(SHAPE)
    contact[:, 48:52] = 0.9  # a line through the disc, which is deepest on both of its sides
    depth = disc() * np.minimum(np.abs(np.arange(SHAPE[1]) - 49.5) / 12, 1)
    result = segment_phases(ObjectMaps(SURE, contact, contact, depth), picture(), None, 4, split_touching)
    assert result.count == count and np.array_equal(result.phases, disc())

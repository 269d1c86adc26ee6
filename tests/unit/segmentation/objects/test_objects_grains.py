"""Grains between boundaries written by hand."""

import numpy as np
import pytest

from matcurate.promptable.builtin.maps import ObjectMaps
from matcurate.segmentation.objects.grains import grains

SHAPE = (60, 96)


def maps_of(boundary: np.ndarray) -> ObjectMaps:
    """Boundary and contact alike, as between grains."""
    everything = np.ones(boundary.shape)
    return ObjectMaps(everything, boundary, boundary, everything)


def cells(chance: float = 0.9, middle: float = 0.9) -> np.ndarray:
    """Boundaries two pixels wide: one row across, and three columns; that in the middle has a chance of its own."""
    boundary = np.zeros(SHAPE)
    boundary[29:31] = boundary[:, 23:25] = boundary[:, 71:73] = chance
    boundary[:29, 47:49] = boundary[31:, 47:49] = middle
    return boundary


def test_each_cell_is_a_grain_and_every_pixel_is_in_one() -> None:
    parts = grains(maps_of(cells()), 60)
    assert parts.dtype == np.uint32 and sorted(np.unique(parts)) == list(range(1, 9))
    areas = np.bincount(parts.ravel())[1:]
    assert areas.min() >= 28 * 22 and areas.sum() == parts.size
    assert len({int(parts[row, column]) for row in (10, 50) for column in (10, 35, 60, 85)}) == 8


@pytest.mark.parametrize("middle", [0.0, 0.1, 0.2])
def test_a_weak_boundary_parts_nothing(middle: float) -> None:
    parts = grains(maps_of(cells(middle=middle)), 60)
    assert parts.max() == 6
    assert parts[10, 35] == parts[10, 60] != parts[50, 35] == parts[50, 60]


def test_a_wide_gap_in_a_boundary_joins_both_sides() -> None:
    boundary = np.zeros(SHAPE)
    boundary[:, 47:49] = 0.9
    boundary[20:40, 47:49] = 0.0
    assert grains(maps_of(boundary), 60).max() == 1


def test_grains_that_are_too_small_go_to_their_neighbours() -> None:
    boundary = np.zeros(SHAPE)
    boundary[:12, 10:12] = boundary[10:12, :12] = 0.9  # a corner of ten by ten pixels
    assert grains(maps_of(boundary), 60).max() == 2
    assert grains(maps_of(boundary), 300).max() == 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), SHAPE])
@pytest.mark.parametrize("chance", [0.0, 0.9])
def test_without_boundaries_or_insides_there_is_one_grain(shape: tuple[int, int], chance: float) -> None:
    assert (grains(maps_of(np.full(shape, chance)), 60) == 1).all()

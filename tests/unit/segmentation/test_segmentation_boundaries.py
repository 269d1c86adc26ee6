"""Boundaries of grains and their agreement, worked out by hand on 5 x 12 pixels and the like."""

import numpy as np
import pytest

from matcurate.segmentation.boundaries import boundary_agreement, grain_boundaries, nearest_id


def halves(column: int, shape: tuple[int, int] = (5, 12)) -> np.ndarray:
    """Two grains that meet before a column."""
    ids = np.ones(shape, dtype=np.uint32)
    ids[:, column:] = 2
    return ids


def test_touching_grains_and_grains_parted_by_a_line_have_the_same_boundary() -> None:
    expected = np.zeros((5, 12), dtype=bool)
    expected[:, 5] = True
    np.testing.assert_array_equal(grain_boundaries(halves(6)), expected)
    drawn = halves(7)
    drawn[:, 5:7] = 0  # two pixels wide: one goes to each grain
    np.testing.assert_array_equal(grain_boundaries(drawn), expected)


def test_wide_background_stays_and_its_outline_is_a_boundary() -> None:
    particle = np.zeros((30, 40), dtype=np.uint32)
    particle[12:18, 10:30] = 4
    expected = np.zeros((30, 40), dtype=bool)
    expected[12:18, [9, 29]] = True
    expected[[11, 17], 10:30] = True
    np.testing.assert_array_equal(grain_boundaries(particle), expected)
    assert not grain_boundaries(np.zeros((5, 12), dtype=np.uint8)).any()


def test_unknown_pixels_get_the_nearest_id() -> None:
    ids = np.array([[3, 0, 0, 0, 0, 5]], dtype=np.uint32)
    assert nearest_id(ids, ids == 0).tolist() == [[3, 3, 3, 5, 5, 5]]
    assert nearest_id(ids * 0, ids >= 0).tolist() == [[0] * 6]


@pytest.mark.parametrize(("tolerance", "f1", "recall"), [(1, 0.0, 0.0), (2, 1.0, 1.0), (3, 1.0, 1.0)])
def test_a_boundary_two_pixels_off_agrees_within_two(tolerance: float, f1: float, recall: float) -> None:
    result = boundary_agreement(grain_boundaries(halves(8)), grain_boundaries(halves(6)), tolerance)
    assert (result.f1, result.recall) == (f1, recall)


def test_precision_counts_in_f1_and_not_in_recall() -> None:
    truth = grain_boundaries(halves(3))
    predicted = truth | grain_boundaries(halves(9))  # 5 of 10 predicted pixels are right, all 5 true ones are there
    result = boundary_agreement(predicted, truth, 2)
    assert result.recall == 1.0 and result.f1 == pytest.approx(2 * 0.5 / 1.5)
    turned = boundary_agreement(truth, predicted, 2)
    assert turned.recall == 0.5 and turned.f1 == pytest.approx(result.f1)


def test_without_boundaries() -> None:
    none, some = np.zeros((5, 12), dtype=bool), grain_boundaries(halves(6))
    assert (boundary_agreement(none, none, 2).f1, boundary_agreement(none, none, 2).recall) == (1.0, 1.0)
    assert (boundary_agreement(some, none, 2).f1, boundary_agreement(some, none, 2).recall) == (0.0, 1.0)
    assert (boundary_agreement(none, some, 2).f1, boundary_agreement(none, some, 2).recall) == (0.0, 0.0)

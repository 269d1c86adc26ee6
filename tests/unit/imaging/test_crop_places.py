import numpy as np
import pytest

from matcurate.imaging.crops import padded, spread


@pytest.mark.parametrize(
    ("length", "edge", "count", "places"),
    [
        (100, 100, 1, [0]),
        (101, 40, 1, [30]),
        (100, 40, 2, [0, 60]),
        (100, 30, 3, [0, 35, 70]),
        (10, 4, 4, [0, 2, 4, 6]),
    ],
)
def test_crops_lie_evenly_from_border_to_border(length, edge, count, places):
    assert spread(length, edge, count) == places


def test_small_crops_are_continued_by_reflection_and_large_ones_stay():
    crops = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    assert padded(crops, 4)[0].tolist() == [[0, 1, 2, 2], [3, 4, 5, 5], [3, 4, 5, 5], [0, 1, 2, 2]]
    assert np.array_equal(padded(crops, 2), crops)

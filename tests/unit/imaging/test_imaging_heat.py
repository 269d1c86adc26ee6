import numpy as np
import pytest

from matcurate.imaging.heat import heat_overlay


def test_from_grey_through_yellow_to_red() -> None:
    grey = np.full((2, 3), 100, np.uint8)
    heat = np.array([[0.0, 0.2, 0.4], [0.8, 0.0, 0.1]])
    got = heat_overlay(grey, heat, 0.4)
    assert got.shape == (2, 3, 3) and got[0, 0].tolist() == got[1, 1].tolist() == [100, 100, 100]
    # at the top: a quarter of the grey, three quarters of (208, 0, 0); above it the same
    assert got[0, 2].tolist() == got[1, 0].tolist() == [181, 25, 25]
    # half-way: 0.625 x 100 + 0.375 x (231.5, 106, 0)
    assert got[0, 1].tolist() == [149, 102, 62]
    assert got[1, 2, 0] > got[1, 2, 2]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="differ in size"):
        heat_overlay(np.zeros((2, 3), np.uint8), np.zeros((3, 2)), 1.0)
    with pytest.raises(ValueError, match="not positive"):
        heat_overlay(np.zeros((2, 3), np.uint8), np.zeros((2, 3)), 0.0)

"""Maps of one micrograph."""

import numpy as np
import pytest

from matcurate.promptable.builtin.maps import ObjectMaps

SHAPE = (9, 14)


def filled(*values: float) -> ObjectMaps:
    return ObjectMaps(*(np.full(SHAPE, value, dtype=np.float16) for value in values))


def test_maps_share_one_shape() -> None:
    assert filled(0.1, 0.2, 0.3, 0.4).shape == SHAPE
    good, other = np.zeros(SHAPE), np.zeros(SHAPE[::-1])
    with pytest.raises(ValueError, match=r"must share one \(H, W\), got \[\(9, 14\), \(14, 9\)\]"):
        ObjectMaps(good, good, other, good)
    with pytest.raises(ValueError, match="must share one"):
        ObjectMaps(*(np.zeros(5) for _ in range(4)))


def test_the_strength_of_a_border_is_the_mean_of_contact_and_boundary() -> None:
    strength = filled(0.9, 0.25, 0.75, 0.9).border_strength()
    assert strength.dtype == np.float32 and np.allclose(strength, 0.5, atol=1e-3)


def test_the_strength_is_largest_in_the_middle_of_a_wide_border() -> None:
    line = np.zeros(SHAPE)
    line[:, 5:8] = 1.0
    strength = ObjectMaps(line, line, line, line).border_strength()
    assert (strength.argmax(axis=1) == 6).all()
    assert np.allclose(strength[:, 5], strength[:, 7]) and (strength[:, 2] < 0.05).all()

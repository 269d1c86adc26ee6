import numpy as np
import pytest

from matcurate.imaging.stretch import stretched


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_percentiles_become_black_and_white(dtype: type) -> None:
    values = np.arange(201, dtype=dtype).reshape(3, 67)  # percentiles .5 and 99.5 are 1 and 199
    found = stretched(values)
    assert found.dtype == np.float32
    assert found.ravel()[[0, 1, 100, 199, 200]].tolist() == [0, 0, 0.5, 1, 1]


def test_one_pixel_that_differs_is_not_cut_off_and_a_constant_is_black() -> None:
    spike = np.full((20, 100), 5.0)
    spike[3, 4] = 7.0
    assert stretched(spike)[3, 4] == 1 and stretched(spike).sum() == 1
    assert not stretched(np.full((3, 5), 9, dtype=np.uint16)).any()

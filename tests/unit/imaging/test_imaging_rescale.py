"""One pixel size for all: the field of view stays, ids stay ids."""

import numpy as np
import pytest

from matcurate.errors import UnreadableImageError
from matcurate.imaging.rescale import rescale_labels, rescale_pixels, rescaled_shape
from matcurate.types import Calibration


def test_the_field_of_view_stays():
    assert rescaled_shape((96, 160), Calibration(5.0), Calibration(10.0), 1) == (48, 80)
    assert rescaled_shape((96, 160), Calibration(10.0), Calibration(4.0), 1) == (240, 400)
    assert rescaled_shape((1, 160), Calibration(1.0), Calibration(100.0), 1) == (1, 2)


def test_both_edges_of_a_pixel_count():
    assert rescaled_shape((96, 160), Calibration(5.0, aspect=2.0), Calibration(10.0), 1) == (96, 80)


def test_a_slip_in_the_calibration_does_not_fill_the_memory():
    with pytest.raises(UnreadableImageError, match="160 x 96 pixels of 1000 nm are more than 400 megapixels at 1 nm"):
        rescaled_shape((96, 160), Calibration(1000.0), Calibration(1.0), 400)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_smaller_pixels_are_means_over_areas(dtype):
    pixels = np.array([[0, 2, 10, 10], [4, 6, 30, 30]], dtype=dtype)
    small = rescale_pixels(pixels, (1, 2))
    assert small.dtype == dtype and small.tolist() == [[3, 20]]
    assert rescale_pixels(pixels, (2, 4)) is pixels


def test_larger_pixels_stay_between_their_neighbours():
    large = rescale_pixels(np.array([[0.0, 1.0]], dtype=np.float32), (2, 4))
    np.testing.assert_allclose(large, [[0, 0.25, 0.75, 1]] * 2)


def test_labels_are_taken_from_under_the_centre():
    labels = np.array([[1, 1, 2, 70000], [3, 3, 4, 4]], dtype=np.uint32)
    assert rescale_labels(labels, (4, 8)).tolist() == np.kron(labels, np.ones((2, 2), dtype=int)).tolist()
    assert rescale_labels(labels, (1, 2)).tolist() == [[3, 4]]
    assert rescale_labels(labels, (2, 3)).tolist() == [[1, 2, 70000], [3, 4, 4]]
    assert rescale_labels(labels, (4, 8)).dtype == np.uint32

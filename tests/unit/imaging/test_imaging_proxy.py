"""Proxies: the page's 8 bits and the model's [0, 1]."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from matcurate.imaging.proxy import encode_image, encode_png, to_float, to_uint8
from matcurate.imaging.read import decode_micrograph


def test_eight_bits_stay_as_they_are() -> None:
    pixels = np.arange(96 * 160, dtype=np.uint32).reshape(96, 160).astype(np.uint8)
    assert to_uint8(pixels) is pixels
    np.testing.assert_allclose(to_float(pixels) * 255, pixels, atol=1e-4)


def test_sixteen_bits_are_stretched_between_the_percentiles() -> None:
    values = np.arange(1001, dtype=np.uint16).repeat(2).reshape(22, 91)  # percentiles 0.1 and 99.9: 1 and 999
    got = to_float(values)
    assert got.dtype == np.float32 and got.min() == 0 and got.max() == 1
    assert got[values == 500][0] == pytest.approx(499 / 998, abs=1e-3)
    np.testing.assert_array_equal(to_uint8(values)[values >= 999], 255)
    np.testing.assert_array_equal(to_uint8(values)[values <= 1], 0)


def test_the_stretch_forgets_gain_and_offset_and_outliers() -> None:
    values = np.random.default_rng(0).normal(size=(96, 160)).astype(np.float32)
    reference = to_uint8(values)
    assert np.abs(to_uint8(values * 300 + 5000).astype(int) - reference).max() <= 1
    hot = values.copy()
    hot[0, 0] = 1e30
    change = np.abs(to_uint8(hot).astype(int) - reference)
    assert change[0, 0] > 3 and np.delete(change, 0).max() <= 3


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_constant_images_are_safe(dtype: type) -> None:
    flat = np.full((96, 160), 7, dtype)
    assert set(np.unique(to_uint8(flat))) == {128}
    flat[5, 5] = 9  # one pixel of 15 360 lies outside the percentiles
    assert (to_uint8(flat)[5, 5], to_uint8(flat)[0, 0]) == (255, 128)


def test_float_extremes_do_not_overflow() -> None:
    top = np.finfo(np.float32).max
    values = np.array([[-top, 0], [top, top]], np.float32)
    np.testing.assert_allclose(to_float(values), [[0, 0.5], [1, 1]], atol=2e-3)


def test_png_is_lossless_for_grey_and_colour() -> None:
    rng = np.random.default_rng(0)
    for shape in ((96, 160), (96, 160, 3)):
        image = rng.integers(0, 256, shape, dtype=np.uint8)
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(encode_png(image)))), image)


@pytest.mark.parametrize(("dtype", "suffix"), [(np.uint8, ".png"), (np.uint16, ".png"), (np.float32, ".tif")])
def test_images_keep_their_depth(dtype: type, suffix: str) -> None:
    pixels = (np.random.default_rng(0).random((96, 160)) * 200).astype(dtype)
    data, got_suffix = encode_image(pixels)
    assert got_suffix == suffix and (suffix == ".tif") == (data[:2] == b"II")
    again = decode_micrograph(data, "x").pixels
    assert again.dtype == dtype
    np.testing.assert_array_equal(again, pixels)
    if suffix == ".tif":
        assert tifffile.TiffFile(io.BytesIO(data)).pages[0].compression == 8

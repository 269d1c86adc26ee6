"""Grey values as the network sees them."""

import numpy as np
import pytest

from matcurate.promptable.builtin.standard import SPREAD, standardised

SHAPE = (40, 50)


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(30, 200, SHAPE).astype(np.uint8)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_mean_and_spread(dtype: type) -> None:
    pixels = picture().astype(dtype)
    seen = standardised(pixels)
    assert seen.dtype == np.float32 and seen.shape == SHAPE
    assert float(seen.mean()) == pytest.approx(0, abs=1e-5)
    assert float(seen.std()) == pytest.approx(SPREAD, rel=1e-4)
    assert np.array_equal(pixels, picture())  # left as they were


@pytest.mark.parametrize("value", [0, 7, 255])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_constant_image_becomes_zero(value: int, dtype: type) -> None:
    assert not standardised(np.full((3, 5), value, dtype=dtype)).any()
    assert not standardised(np.full((3, 5), 0.1, dtype=np.float32)).any()


def test_scale_and_offset_do_not_count() -> None:
    plain = standardised(picture())
    assert np.allclose(standardised(picture() * 3.5 + 1000.0), plain, atol=1e-4)
    assert np.allclose(standardised(picture().astype(np.uint16) * 257), plain, atol=1e-4)
    assert np.allclose(standardised(255 - picture()), -plain, atol=1e-4)


def test_a_few_outliers_do_not_count() -> None:
    pixels = picture().astype(np.float32)
    pixels[3, 4] = pixels.max()
    outlier = pixels.copy()
    outlier[3, 4] = 1e6
    assert np.allclose(standardised(outlier), standardised(pixels), atol=1e-5)


def test_where_nearly_all_is_equal_the_few_others_are_seen() -> None:
    pixels = np.zeros(SHAPE, dtype=np.uint8)
    pixels[20, 20:23] = 9
    seen = standardised(pixels)
    assert len(np.unique(seen)) == 2 and (seen[20, 20:23] > 0).all()
    assert float(seen.std()) == pytest.approx(SPREAD, rel=1e-4)

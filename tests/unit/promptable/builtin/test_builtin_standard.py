"""Grey values as the network sees them."""

import cv2
import numpy as np
import pytest

from matcurate.promptable.builtin.standard import SHARP, SPREAD, sharpness, softened, standardised

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


def step(sigma: float) -> np.ndarray:
    """Bright right half whose edge was blurred."""
    pixels = np.zeros(SHAPE, dtype=np.float32)
    pixels[:, 25:] = 100
    return cv2.GaussianBlur(pixels, (0, 0), sigma) if sigma else pixels


@pytest.mark.parametrize("turned", [False, True])
def test_an_edge_within_one_pixel_has_sharpness_one(turned: bool) -> None:
    image = step(0.0).T if turned else step(0.0)
    assert sharpness(np.ascontiguousarray(image)) == pytest.approx(1)
    # Of a wide edge, the step between neighbours is half of that between second neighbours.
    assert sharpness(cv2.GaussianBlur(image, (0, 0), 4)) == pytest.approx(0.5, abs=0.02)


def test_single_pixels_are_no_edges() -> None:
    image = step(2.0)
    image[::7, 3:18:5] = 255
    assert sharpness(image) == pytest.approx(sharpness(step(2.0)))


def test_sharp_images_are_softened_and_others_are_not() -> None:
    soft = step(1.5)
    assert softened(soft) is soft
    assert sharpness(np.asarray(softened(step(0.0)))) < SHARP
    constant = np.full(SHAPE, 7, dtype=np.uint8)
    assert softened(constant) is constant
    assert softened(constant[:2]).shape == (2, 50)

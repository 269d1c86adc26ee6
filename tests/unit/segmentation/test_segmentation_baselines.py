import cv2
import numpy as np
import pytest
from skimage.filters import threshold_otsu

from matcurate.segmentation.baselines import BASELINES, canny_edges, otsu, watershed
from matcurate.segmentation.denoising import otsu_foreground, separability

SHAPE = (96, 160)


def two_discs(bright: bool = True) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    truth = np.hypot(rows - 48, columns - 40) < 20
    truth |= np.hypot(rows - 48, columns - 110) < 25
    grey = np.where(truth == bright, 180.0, 60.0) + np.random.default_rng(0).normal(0, 6, SHAPE)
    return grey.astype(np.uint8), truth


def test_otsu_is_a_5x5_gaussian_blur_and_a_threshold() -> None:
    pixels, _ = two_discs()
    blurred = cv2.GaussianBlur(pixels, (5, 5), 0)
    expected = blurred > threshold_otsu(blurred)
    assert np.array_equal(otsu(pixels, "bright").phases, expected)
    assert np.array_equal(otsu(pixels, "dark").phases, ~expected)


@pytest.mark.parametrize("method", sorted(BASELINES))
@pytest.mark.parametrize("bright", [True, False])
def test_every_method_finds_two_discs_on_either_side(method: str, bright: bool) -> None:
    pixels, truth = two_discs(bright)
    result = BASELINES[method](pixels, "bright" if bright else "dark")
    mask = result.phases > 0
    if method == "adaptive":  # it hollows objects larger than its window: the rim of the discs is what it can find
        rim = truth & ~cv2.erode(truth.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        assert mask[rim].mean() > 0.9
    else:
        assert np.count_nonzero(mask & truth) / np.count_nonzero(mask | truth) > 0.93
        assert result.count == 2
    assert np.array_equal(result.instances > 0, mask)
    assert 0.0 < result.score <= 1.0


@pytest.mark.parametrize("method", sorted(BASELINES))
def test_auto_takes_the_discs_not_the_matrix(method: str) -> None:
    pixels, _ = two_discs(bright=False)
    assert np.array_equal(BASELINES[method](pixels, "auto").phases, BASELINES[method](pixels, "dark").phases)


@pytest.mark.parametrize("method", sorted(BASELINES))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_constant_image_has_no_objects_of_contrast(method: str, dtype: type) -> None:
    result = BASELINES[method](np.full(SHAPE, 7, dtype=dtype), "bright")
    assert result.score == 0.0
    assert result.count == 0


def test_16_bit_and_8_bit_agree() -> None:
    pixels, _ = two_discs()
    deep = otsu(pixels.astype(np.uint16) * 100, "bright").phases
    assert np.mean(deep != otsu(pixels, "bright").phases) < 0.01


def test_watershed_parts_touching_discs() -> None:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    truth = (np.hypot(rows - 48, columns - 55) < 25) | (np.hypot(rows - 48, columns - 100) < 25)
    pixels = np.where(truth, 200, 50).astype(np.uint8)
    assert otsu(pixels, "bright").count == 1
    assert watershed(pixels, "bright").count == 2


def test_canny_edges_outline_the_discs() -> None:
    pixels, truth = two_discs()
    edges = canny_edges(cv2.GaussianBlur(pixels, (5, 5), 0)).astype(bool)
    kernel = np.ones((5, 5), np.uint8)
    near = cv2.dilate(truth.astype(np.uint8), kernel) > cv2.erode(truth.astype(np.uint8), kernel)
    assert edges.any()
    assert not (edges & ~near).any()


def test_separability_by_hand() -> None:
    grey = np.array([[0, 0, 0, 10]], dtype=np.uint8)
    assert separability(grey, grey > 5) == pytest.approx(1.0)
    # classes {0} and {0, 0, 10}: 1/4 * 3/4 * (10/3)^2 over a variance of 18.75
    assert separability(grey, np.array([[False, True, True, True]])) == pytest.approx(0.1875 * (10 / 3) ** 2 / 18.75)
    assert separability(grey, np.ones((1, 4), dtype=bool)) == 0.0
    assert not otsu_foreground(np.zeros((3, 4), np.uint8), "dark").any()

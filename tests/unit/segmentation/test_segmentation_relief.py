import numpy as np
import pytest

from matcurate.segmentation.relief import calm, class_separability, flatten, gradient_magnitude, to_levels

SHAPE = (96, 160)


def shaded_squares() -> tuple[np.ndarray, np.ndarray]:
    """Squares 40 levels above a matrix whose shading climbs by 80 levels from left to right."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    truth = (rows % 32 > 12) & (columns % 32 > 12) & (rows % 32 < 28) & (columns % 32 < 28)
    ramp = columns / SHAPE[1] * 80
    return (30 + ramp + 40 * truth + np.random.default_rng(2).normal(0, 2, SHAPE)).astype(np.uint8), truth


def test_flattening_takes_the_shading_and_leaves_the_steps() -> None:
    pixels, truth = shaded_squares()
    flat = flatten(calm(pixels)).astype(float)
    left, right = np.arange(SHAPE[1]) < 64, np.arange(SHAPE[1]) >= 96

    def margin(image: np.ndarray) -> float:
        """Dimmest square minus brightest matrix, of the left and the right part, over the whole range."""
        squares = min(image[:, side][truth[:, side]].mean() for side in (left, right))
        matrix = max(image[:, side][~truth[:, side]].mean() for side in (left, right))
        return float((squares - matrix) / np.ptp(image))

    assert margin(pixels.astype(float)) < 0
    assert margin(flat) > 0.1


def test_a_two_level_image_stays_two_levels() -> None:
    image = np.zeros(SHAPE, dtype=np.uint8)
    image[30:60, 40:120] = 255
    flat = flatten(image)
    assert flat[45, 80] - int(flat[5, 5]) > 150
    assert class_separability(flat) > 0.9


def test_flattening_does_not_swap_x_and_y() -> None:
    pixels, _ = shaded_squares()
    grey = calm(pixels)
    assert np.abs(flatten(grey).astype(int) - flatten(np.ascontiguousarray(grey.T)).T).max() <= 1


def test_nothing_to_flatten() -> None:
    assert not flatten(np.zeros(SHAPE, dtype=np.uint8)).any()
    line = np.arange(9, dtype=np.uint8)[None]
    assert flatten(line) is line


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_calm_images_lose_noise_not_steps(dtype: type) -> None:
    noisy = np.random.default_rng(8).normal(100, 2, SHAPE)
    noisy[:, 80:] += 50
    grey = calm(np.rint(noisy).astype(dtype))
    assert grey.dtype == np.uint8
    stretch = 255 / (np.percentile(noisy, 99.5) - np.percentile(noisy, 0.5))
    assert grey[10:-10, 10:70].std() < 0.5 * 2 * stretch
    assert grey[:, 81:].mean() - grey[:, :79].mean() == pytest.approx(50 * stretch, rel=0.03)


def test_levels_are_stretched_between_percentiles() -> None:
    values = np.full((20, 100), 5.0, dtype=np.float32)
    values[:10] = 9.0
    values[0, 0] = 1e6
    assert sorted(set(to_levels(values).ravel().tolist())) == [0, 255]
    spike = np.zeros((20, 100), dtype=np.float32)
    spike[3, 4] = 2.0
    assert to_levels(spike)[3, 4] == 255
    assert not to_levels(np.full((3, 4), 7.0, dtype=np.float32)).any()


def test_separability_by_hand() -> None:
    grey = np.array([[10, 10, 200, 200]], dtype=np.uint8)
    assert class_separability(grey) == pytest.approx(1.0)
    assert class_separability(np.full((2, 3), 9, dtype=np.uint8)) == 0.0
    # 0, 60 and 200: means 30 and 200, shares 2/3 and 1/3
    three = np.array([[0, 60, 200]], dtype=np.uint8)
    share, gap, variance = 2 / 9, 200 - 30, np.var([0, 60, 200])
    assert class_separability(three) == pytest.approx(share * gap**2 / variance)


def test_gradient_of_a_ramp_is_its_slope() -> None:
    ramp = np.tile(np.arange(30, dtype=np.float32) * 3, (20, 1))
    assert np.allclose(gradient_magnitude(ramp)[2:-2, 2:-2], 3.0)

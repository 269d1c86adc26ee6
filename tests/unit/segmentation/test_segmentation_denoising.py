import numpy as np
import pytest

from matcurate.segmentation.denoising import denoise, gradient_magnitude, otsu_foreground, separability, to_levels

SHAPE = (96, 160)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_denoised_images_lose_noise_not_steps(dtype: type) -> None:
    noisy = np.random.default_rng(8).normal(100, 2, SHAPE)
    noisy[:, 80:] += 50
    grey = denoise(np.rint(noisy).astype(dtype))
    assert grey.dtype == np.uint8
    stretch = 255 / (np.percentile(noisy, 99.5) - np.percentile(noisy, 0.5))
    assert grey[10:-10, 10:70].std() < 0.5 * 2 * stretch
    assert grey[:, 81:].mean() - grey[:, :79].mean() == pytest.approx(50 * stretch, rel=0.03)


@pytest.mark.parametrize("shape", [SHAPE, (1, 40), (40, 1), (1, 1)])
def test_a_constant_image_becomes_zero(shape: tuple[int, int]) -> None:
    assert not denoise(np.full(shape, 7, dtype=np.uint16)).any()


def test_denoising_does_not_swap_x_and_y() -> None:
    pixels = np.random.default_rng(2).integers(0, 255, SHAPE).astype(np.uint8)
    assert np.abs(denoise(pixels).astype(int) - denoise(np.ascontiguousarray(pixels.T)).T).max() <= 1


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
    assert separability(grey, grey > 100) == pytest.approx(1.0)
    # 0, 60 and 200: means 30 and 200, shares 2/3 and 1/3
    three = np.array([[0, 60, 200]], dtype=np.uint8)
    share, gap, variance = 2 / 9, 200 - 30, np.var([0, 60, 200])
    assert separability(three, otsu_foreground(three, "bright")) == pytest.approx(share * gap**2 / variance)


def test_gradient_of_a_ramp_is_its_slope() -> None:
    ramp = np.tile(np.arange(30, dtype=np.float32) * 3, (20, 1))
    assert np.allclose(gradient_magnitude(ramp)[2:-2, 2:-2], 3.0)

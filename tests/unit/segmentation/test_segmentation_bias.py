"""Uneven illumination parted from the phases: surfaces written down by hand are found again."""

import numpy as np
import pytest

from matcurate.segmentation import bias as module
from matcurate.segmentation.baselines import bias, corrected_side, otsu
from matcurate.segmentation.bias import bias_field
from matcurate.segmentation.metrics import class_mean_iou

SHAPE = (96, 160)


def discs() -> np.ndarray:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return np.hypot(rows % 48 - 24, columns % 40 - 20) < 12


def surface() -> np.ndarray:
    """From 20 at the top left to 170 at the bottom right, bent along the columns."""
    y, x = np.linspace(0, 1, SHAPE[0])[:, None], np.linspace(0, 1, SHAPE[1])
    return 20 + 60 * y + 30 * x + 60 * x**2


def shaded(truth: np.ndarray) -> np.ndarray:
    return np.rint(surface() + 50 * truth).astype(np.uint8)


def test_the_surface_is_found_again() -> None:
    field = bias_field(shaded(discs()))
    assert field.dtype == np.float32
    np.testing.assert_allclose(field, surface() - surface().mean(), atol=0.1)


def test_phases_that_are_unevenly_spread_are_no_illumination() -> None:
    grey = np.full(SHAPE, 40, dtype=np.uint8)
    grey[:, 120:] = 160  # a surface fitted alone would rise to the right
    np.testing.assert_allclose(bias_field(grey), 0.0, atol=1e-3)


def test_a_constant_image_has_no_field() -> None:
    assert not bias_field(np.full(SHAPE, 7, dtype=np.uint8)).any()
    assert not bias_field(np.full((1, 5), 7, dtype=np.uint8)).any()


def test_large_images_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bias_field(shaded(discs()))
    monkeypatch.setattr(module, "FITTED", 2_000)
    np.testing.assert_allclose(bias_field(shaded(discs())), whole, atol=1.5)


def test_bias_stands_shading_where_otsu_does_not() -> None:
    truth = discs()
    assert class_mean_iou(otsu(shaded(truth), "bright").phases > 0, truth) < 0.6
    assert class_mean_iou(bias(shaded(truth), "bright").phases > 0, truth) > 0.97


def test_the_side_is_decided_without_the_shading() -> None:
    assert corrected_side(shaded(discs())) == "bright"
    assert corrected_side(shaded(~discs())) == "dark"
    assert corrected_side(shaded(discs()), "dark") == "dark"

"""Where the outline of the foreground runs."""

import cv2
import numpy as np
import pytest

import matcurate.segmentation.objects.strips as strips_module
from matcurate.segmentation.objects.foreground import (
    BAND,
    by_local_grey,
    expected_iou,
    find_foreground,
    outline_separability,
)
from matcurate.segmentation.objects.strips import strips

SHAPE = (96, 160)
STEP = 80
"""Column at which the grey levels rise."""


def step_image(noise: float = 5.0) -> np.ndarray:
    columns = np.indices(SHAPE)[1]
    return 60 + 100.0 * (columns >= STEP) + np.random.default_rng(0).normal(0, noise, SHAPE)


def refined(chance: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    return find_foreground(chance, pixels, None).mask


def chance_from(column: int, sure: float = 0.85) -> np.ndarray:
    columns = np.indices(SHAPE)[1]
    return np.where(columns >= column, sure, 1 - sure).astype(np.float32)


@pytest.mark.parametrize("start", [73, 80, 87])
def test_the_outline_moves_to_the_step_of_the_grey_levels(start: int) -> None:
    moved = by_local_grey(chance_from(start), step_image(noise=2).astype(np.float32))
    assert moved.dtype == np.float32 and 0 <= moved.min() and moved.max() <= 1
    rows = moved > 0.5
    assert np.median(rows.sum(axis=1)) == pytest.approx(SHAPE[1] - STEP, abs=1)
    assert np.mean(rows != (np.indices(SHAPE)[1] >= STEP)) < 0.02  # of 160 columns, 7 were wrong before


def test_a_sure_network_is_not_overruled() -> None:
    certain = chance_from(73, sure=0.999)
    moved = by_local_grey(certain, step_image().astype(np.float32))
    assert np.array_equal(moved > 0.5, certain > 0.5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("start", [75, 85])
def test_the_foreground_is_refined(dtype: type, start: int) -> None:
    mask = refined(chance_from(start), step_image().clip(0, 255).astype(dtype))
    assert mask.dtype == np.bool_ and np.mean(mask != (np.indices(SHAPE)[1] >= STEP)) < 0.02


def test_bright_and_dark_objects_are_refined_alike() -> None:
    pixels = step_image().clip(0, 255).astype(np.uint8)
    bright, dark = refined(chance_from(75), pixels), refined(1 - chance_from(75), pixels)
    assert np.mean(bright != ~dark) < 0.005


def test_a_small_step_on_a_high_level_is_refined_too() -> None:
    faint = 40_000 + 0.5 * step_image()
    plain, lifted = (refined(chance_from(75), pixels.astype(np.float32)) for pixels in (0.5 * step_image(), faint))
    assert np.mean(plain != lifted) < 0.005


def test_where_grey_levels_say_nothing_the_networks_outline_stays() -> None:
    noise = np.random.default_rng(1).normal(100, 10, SHAPE).astype(np.float32)
    for pixels in (noise, np.full(SHAPE, 7.0, dtype=np.float32)):
        for chance in (chance_from(75), np.zeros(SHAPE, np.float32), np.ones(SHAPE, np.float32)):
            assert np.array_equal(refined(chance, pixels), chance > 0.5)


def test_separability_by_hand() -> None:
    columns = np.indices(SHAPE)[1]
    exact = columns >= STEP
    two_levels = np.where(exact, 200.0, 50.0).astype(np.float32)
    assert outline_separability(two_levels, exact) == pytest.approx(1.0, abs=0.02)
    assert outline_separability(two_levels, ~exact) == pytest.approx(1.0, abs=0.02)
    # Moved by half a band: of its 8 columns, 2 dark ones lie outside, 2 bright ones too, and 4 bright ones inside.
    # Both means differ by half a step; the variance is that of a quarter and three quarters.
    moved = columns >= STEP + BAND // 2
    assert outline_separability(two_levels, moved) == pytest.approx(0.25 * 0.5**2 / (0.25 * 0.75), abs=0.05)
    # Moved by a whole band: only bright pixels beside the outline.
    assert outline_separability(two_levels, columns >= STEP + BAND) == 0.0


def test_shading_does_not_part_anything() -> None:
    columns = np.indices(SHAPE)[1]
    shaded = (0.5 * columns + np.random.default_rng(2).normal(0, 10, SHAPE)).astype(np.float32)
    assert outline_separability(shaded, columns >= STEP) < 0.05
    stepped = shaded + 60 * (columns >= STEP)
    assert outline_separability(stepped.astype(np.float32), columns >= STEP) > 0.8


def test_without_an_outline_nothing_is_parted() -> None:
    grey = step_image().astype(np.float32)
    for mask in (np.zeros(SHAPE, dtype=bool), np.ones(SHAPE, dtype=bool)):
        assert outline_separability(grey, mask) == 0.0
    assert outline_separability(np.full(SHAPE, 3.0, dtype=np.float32), np.indices(SHAPE)[1] >= STEP) == 0.0


def stripes(period: int) -> np.ndarray:
    """Two flat grey levels with a little noise: a threshold parts them without fault."""
    columns = np.indices(SHAPE)[1]
    return (60 + 120.0 * (columns // period % 3 == 0) + np.random.default_rng(3).normal(0, 4, SHAPE)).astype(np.float32)


def test_a_threshold_that_parts_much_better_is_taken_and_the_network_is_the_alternative() -> None:
    pixels = stripes(12)
    lost = np.full(SHAPE, 0.4, dtype=np.float32)
    lost[:48] = 0.6  # an outline that no grey level follows
    result = find_foreground(lost, pixels, "bright")
    assert np.mean(result.mask != (pixels > 120)) < 0.06  # blurred by 5 pixels
    assert result.alternative is not None and np.array_equal(result.alternative, lost > 0.5)
    assert np.array_equal(find_foreground(lost, pixels, "dark").mask, ~result.mask)


def test_a_sure_network_has_no_alternative() -> None:
    result = find_foreground(chance_from(75, sure=0.98), stripes(12), None)
    assert result.alternative is None
    assert np.array_equal(result.mask, chance_from(75) > 0.5)


def test_the_expected_iou_by_hand() -> None:
    chance = np.array([[0.9, 0.8, 0.3, 0.1]], dtype=np.float32)
    inside = np.array([[True, True, False, False]])
    objects = (0.9 + 0.8) / (2 + 0.3 + 0.1)
    matrix = (0.7 + 0.9) / (2 + 0.1 + 0.2)
    assert expected_iou(chance, inside) == pytest.approx((objects + matrix) / 2)
    assert expected_iou(np.ones((2, 3), dtype=np.float32), np.ones((2, 3), dtype=bool)) == 1.0


def test_strips_cover_each_row_once_and_see_beyond_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips_module, "STRIP", 1000)
    covered = np.zeros(73, dtype=int)
    for strip in strips((73, 50), 7):
        rows = np.arange(73)
        assert np.array_equal(rows[strip.outer][strip.own], rows[strip.inner])
        assert strip.outer.start == max(0, strip.inner.start - 7) and strip.outer.stop == min(73, strip.inner.stop + 7)
        covered[strip.inner] += 1
    assert (covered == 1).all()


def test_a_large_image_in_strips_gives_what_it_gives_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    inside = cv2.GaussianBlur(rng.normal(0, 1, (900, 60)).astype(np.float32), (0, 0), 5) > 0
    grey = (inside + rng.normal(0, 0.3, inside.shape)).astype(np.float32)
    chance = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 3)
    whole = by_local_grey(chance, grey), outline_separability(grey, inside)
    monkeypatch.setattr(strips_module, "STRIP", 250 * 60)
    assert np.abs(by_local_grey(chance, grey) - whole[0]).max() < 0.01
    assert outline_separability(grey, inside) == pytest.approx(whole[1], abs=1e-5)

"""The micrograph within its file."""

import numpy as np
import pytest

from matcurate.imaging.frame import Frame, frame_of


def textured(height: int = 96, width: int = 160, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(40, 216, (height, width)).astype(np.uint8)


def test_a_micrograph_without_bars_is_the_whole_image() -> None:
    assert frame_of(textured()) is None
    assert frame_of(np.full((96, 160), 7, dtype=np.uint8)) is None


@pytest.mark.parametrize("level", [0, 255])
def test_a_data_bar_with_text_is_left_out(level: int) -> None:
    pixels = textured()
    pixels[86:] = level
    pixels[89:93, 20:90:2] = 255 - level  # text on a quarter of the columns
    assert frame_of(pixels) == Frame(0, 0, 86, 160)


def test_a_flat_border_is_left_out_on_every_side_and_16_bit_too() -> None:
    pixels = np.zeros((96, 160), dtype=np.uint16)
    pixels[6:88, 10:147] = textured(82, 137).astype(np.uint16) * 200
    assert frame_of(pixels) == Frame(6, 10, 88, 147)


def test_a_flat_ground_that_objects_stand_on_is_kept() -> None:
    pixels = np.zeros((96, 160), dtype=np.uint8)
    for row, column in ((30, 40), (44, 90), (60, 130), (70, 20)):
        pixels[row : row + 20, column : column + 20] = 200
    assert frame_of(pixels) is None


def test_a_bar_thicker_than_a_third_or_thinner_than_six_rows_is_none() -> None:
    thick, thin = textured(), textured()
    thick[50:] = 0
    thin[92:] = 0
    assert frame_of(thick) is None
    assert frame_of(thin) is None

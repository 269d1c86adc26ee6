"""Data bars: rows that are found, and what is left alone."""

import numpy as np
import pytest

from matcurate.imaging.databar import without_databars
from matcurate.imaging.frame import Frame
from matcurate.imaging.synth.databars import LAYOUTS, with_databar
from matcurate.imaging.synth.registry import generate

SHAPE = (288, 448)


def micrograph(kind: str = "precipitates") -> np.ndarray:
    return generate(kind, SHAPE, np.random.default_rng(1)).pixels


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_rows_of_every_layout_are_found_within_two_pixels(layout, dtype) -> None:
    barred = with_databar(micrograph().astype(dtype), layout, nm_per_px=10.0)
    frame = without_databars(barred.pixels)
    assert (frame.left, frame.right) == (0, SHAPE[1])
    assert abs(frame.top - barred.top) <= 2 and abs(frame.bottom - barred.bottom) <= 2


@pytest.mark.parametrize("kind", ["precipitates", "particles", "grains", "layers"])
def test_a_micrograph_without_a_bar_is_whole(kind) -> None:
    assert without_databars(micrograph(kind)) == Frame(0, 0, *SHAPE)


def test_rows_that_the_file_states_count_whatever_they_show() -> None:
    pixels = micrograph()
    assert without_databars(pixels, image_rows=270) == Frame(0, 0, 270, SHAPE[1])
    assert without_databars(pixels, image_rows=SHAPE[0]) == Frame(0, 0, *SHAPE)  # there are no more


def test_letters_on_a_flat_ground_that_goes_on_are_no_bar() -> None:
    barred = with_databar(np.zeros(SHAPE, dtype=np.uint8), LAYOUTS[5], nm_per_px=10.0)  # black on black
    height = barred.pixels.shape[0]
    assert without_databars(barred.pixels) == Frame(0, 0, height, SHAPE[1])


def test_the_scale_bar_of_a_layout_has_the_length_that_is_printed() -> None:
    barred = with_databar(micrograph(), LAYOUTS[6], nm_per_px=10.0)  # white, with a black block
    bar = barred.pixels[barred.bottom :]
    longest = max(int(np.count_nonzero(row[300:] == 0)) for row in bar)
    assert barred.length_nm == 500 and longest == barred.length_px == 50

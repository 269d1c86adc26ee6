"""The printed scale bar against the stated pixel size."""

import numpy as np
import pytest

from matcurate.imaging.scale_check import LENGTH, check_scale_bar, has_ocr
from matcurate.imaging.synth.databars import LAYOUTS, with_databar
from matcurate.types import Calibration

READ = ("fei", "jeol", "tescan", "white")


def barred(name: str) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(60, 200, (512, 1024)).astype(np.uint8)
    layout = next(each for each in LAYOUTS if each.name == name)
    return with_databar(pixels, layout, nm_per_px=10.0).pixels


@pytest.mark.parametrize(
    ("text", "length"),
    [("200 nm", ("200", "nm")), ("2.5um", ("2.5", "um")), ("1,0 µm", ("1,0", "µm")), ("|5 mm|", ("5", "mm"))],
)
def test_lengths_as_they_are_printed(text, length) -> None:
    match = LENGTH.match(text)
    assert match is not None and (match[1], match[2]) == length


@pytest.mark.parametrize("text", ["WD 8.1mm", "15.0kV", "HFW", "x100k", ""])
def test_other_words_are_no_length(text) -> None:
    match = LENGTH.match(text)
    assert match is None or match[2] not in ("nm", "um", "mm")


def test_nothing_is_said_without_a_pixel_size_or_a_bar() -> None:
    assert check_scale_bar(barred("jeol"), None) is None
    assert check_scale_bar(barred("jeol")[:400], Calibration(33.0)) is None


@pytest.mark.skipif(not has_ocr(), reason="needs the extra ocr")
@pytest.mark.parametrize("name", READ)
def test_a_disagreement_is_reported_and_an_agreement_is_not(name) -> None:
    pixels = barred(name)
    assert check_scale_bar(pixels, Calibration(10.0)) is None
    message = check_scale_bar(pixels, Calibration(20.0))
    assert message is not None
    assert "2000 nm over 200 pixels, 10 nm per pixel" in message and "the file states 20" in message

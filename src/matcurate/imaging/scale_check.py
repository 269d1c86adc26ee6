"""The printed scale bar as a check of the pixel size that a file states.

Needs the extra ``ocr`` (rapidocr, whose models are in its wheel). What it cannot read it says nothing about; a
disagreement is reported, and never settled: which of the two is wrong, no picture tells.
"""

import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcurate.imaging.proxy import to_uint8
from matcurate.imaging.scalebar import Box, ScaleBar, find_scale_bars
from matcurate.types import Calibration, Pixels

LENGTH = re.compile(r"^[^\d]{0,2}(\d+(?:[.,]\d+)?)\s*([nuµμpmÅA]?m?)[^\w]?$")
"""A number and a unit, with at most a bracket or a stroke of the bar around."""
NM = {"nm": 1.0, "um": 1e3, "µm": 1e3, "μm": 1e3, "pm": 1e3, "mm": 1e6, "Å": 0.1, "A": 0.1}
"""Nanometres of a unit; ``pm`` is how a µ is often read, and no micrograph has a bar of picometres."""
SURE = 0.8
"""Least confidence of a reading."""
TOLERANCE = 0.05
"""Largest relative difference of printed and stated pixel size, beside two pixels of the bar's length."""
MARGIN = 4


def check_scale_bar(pixels: Pixels, calibration: Calibration | None) -> str | None:
    """Compare the printed scale bar of an image (H, W), with its data bar, with the pixel size that its file states.

    One line where both are known and disagree; None where they agree, and where nothing can be read, as without the
    extra ``ocr``.
    """
    if calibration is None or not has_ocr():
        return None
    readings = [(bar, length) for bar in _joined(find_scale_bars(pixels)) for length in _length_nm(pixels, bar)]
    for bar, length in readings:
        if abs(length / bar.bar.width / calibration.nm_per_px - 1) <= TOLERANCE + 2 / bar.bar.width:
            return None
    if not readings:
        return None
    bar, length = readings[0]
    printed = f"{length:g} nm over {bar.bar.width} pixels, {length / bar.bar.width:.4g} nm per pixel"
    stated = f"the file states {calibration.nm_per_px:.4g}"
    return f"the scale bar reads {printed}, but {stated}; find out which is right, and give it with --nm-per-px"


def has_ocr() -> bool:
    """Whether the extra ``ocr`` is installed."""
    return find_spec("rapidocr") is not None and find_spec("onnxruntime") is not None


def _joined(bars: tuple[ScaleBar, ...]) -> list[ScaleBar]:
    """Scale bars, where two halves with their length between them are one."""
    joined: list[ScaleBar] = []
    for bar in sorted(bars, key=lambda half: half.bar.left):
        other = next((half for half in joined if half.text == bar.text and abs(half.bar.top - bar.bar.top) <= 2), None)
        if other is None:
            joined.append(bar)
            continue
        whole = Box(other.bar.top, other.bar.left, other.bar.height, bar.bar.right - other.bar.left)
        joined[joined.index(other)] = ScaleBar(whole, bar.text)
    return joined


def _length_nm(pixels: Pixels, bar: ScaleBar) -> Iterator[float]:
    """The length beside a scale bar, where it can be read for sure."""
    top, bottom = bar.bar.top, bar.bar.bottom
    rows, columns = bar.text.within(pixels.shape, MARGIN)
    if bar.text.bottom <= top:
        rows = slice(rows.start, min(rows.stop, top))
    elif bar.text.top >= bottom:
        rows = slice(max(rows.start, bottom), rows.stop)
    text, confidence = _read(np.repeat(to_uint8(pixels)[rows, columns][..., None], 3, axis=2))
    match = LENGTH.match(text.strip())
    if confidence >= SURE and match is not None and match[2] in NM:
        yield float(match[1].replace(",", ".")) * NM[match[2]]


def _read(image: NDArray[np.uint8]) -> tuple[str, float]:
    """One line of text in an image (H, W, 3), and how sure the reading is, in [0, 1]."""
    answer = _engine()(image, use_det=False, use_cls=False, use_rec=True)
    return (str(answer.txts[0]), float(answer.scores[0])) if answer.txts else ("", 0.0)


@cache
def _engine() -> Any:  # noqa: ANN401 - rapidocr has no types
    from rapidocr import RapidOCR  # an extra, and slow to import

    return RapidOCR(params={"Global.log_level": "critical", "EngineConfig.onnxruntime.intra_op_num_threads": 1})

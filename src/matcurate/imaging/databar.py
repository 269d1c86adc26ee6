"""Data bars of microscopes: rows with text on a flat ground, above or below the micrograph.

The rule, for the first and for the last rows of an image: there is a ground, one grey level, that runs of pixels in
every row show, also between letters; behind some row hardly any run has that level; and the rows before it hold
letters. Noise has no runs, a flat ground behind objects ends at no single row, and a flat object holds no letters.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from matcurate.imaging.frame import Frame
from matcurate.types import Pixels

SAME = 6
"""Grey levels of 255 by which pixels of one ground differ at most."""
DEEPEST, THINNEST = 0.3, 8
"""Largest thickness of a bar as part of the rows, and least in pixels."""
SOUGHT = (0.0, 0.04, 0.1, 0.2)
"""Where grounds are sought, as parts of the deepest bar: a frame or a line may be the outermost."""
LEAST_GROUND = 0.22
"""Mean share of the ground's runs in the rows of a bar."""
BEYOND = 0.35
"""Largest share of the runs in the rows behind a bar, over that in its rows."""
STEEP = 0.7
"""Least share of the runs in one of the last three rows of a bar, over that in all: a bar ends at once."""
BARE, RULED = 0.2, 0.6
"""Part of a bar's rows that may hold none of the ground; share of one grey level that makes a row a printed line."""
PARTS = 16
"""Parts of the width, most of which must show the ground."""
GLYPHS = 5
"""Least number of letters."""
CONTRAST = 50
"""Least difference in grey levels of 255 between letters and ground."""
SMALLEST_EDGE = 64

Levels = NDArray[np.int16]


def without_databars(pixels: Pixels, image_rows: int | None = None) -> Frame:
    """Rows of the micrograph in a finite image (H, W) of uint8, uint16 or float; all of them without a data bar.

    ``image_rows`` is what the file states: the rows after these are a data bar, whatever they show.
    """
    height, width = pixels.shape
    if image_rows is not None and 0 < image_rows < height:
        return Frame(0, 0, image_rows, width)
    if min(height, width) < SMALLEST_EDGE:
        return Frame(0, 0, height, width)
    levels = grey_levels(pixels)
    return Frame(_thickness(levels), 0, height - _thickness(levels[::-1]), width)


def grey_levels(pixels: Pixels) -> Levels:
    """Grey levels (H, W): those of uint8; of others such that the middle of the image spans about 0 to 255.

    A bar may be much brighter or darker than all of the micrograph, so nothing is cut off before -128 and 383.
    """
    if pixels.dtype == np.uint8:
        return pixels.astype(np.int16)
    height = len(pixels)
    low, high = np.percentile(pixels[height // 3 : -(height // 3)], (0.5, 99.5))
    scale = 255 / (float(high) - float(low) or 1.0)
    return np.clip(np.rint((pixels.astype(np.float64) - float(low)) * scale), -128, 383).astype(np.int16)


def _thickness(levels: Levels) -> int:
    """Rows of the data bar along the first row of an image (H, W); 0 where there is none."""
    deepest = int(DEEPEST * len(levels))
    near = levels[: 2 * deepest]
    ruled = np.array([_commonest(row)[1] for row in levels[:deepest]]) >= RULED
    thicknesses = (_thickness_on(near, ground, deepest, ruled) for ground in _grounds(levels[:deepest]))
    return max(thicknesses, default=0)


def _grounds(band: Levels) -> list[int]:
    """Most frequent grey levels of some groups of rows, each once."""
    grounds: list[int] = []
    for first, last in zip(SOUGHT, (*SOUGHT[1:], 1.0), strict=True):
        start = int(first * len(band))
        level = _commonest(band[start : max(int(last * len(band)), start + 4)])[0]
        if all(abs(level - other) > SAME for other in grounds):
            grounds.append(level)
    return grounds


def _thickness_on(near: Levels, ground: int, deepest: int, ruled: NDArray[np.bool_]) -> int:
    """Rows of a bar of one ground; the deepest that holds letters and ends at one row."""
    width = near.shape[1]
    same = (np.abs(near - ground) <= SAME).astype(np.uint8)
    runs = cv2.erode(same, np.ones((1, max(5, width // 80)), np.uint8)).mean(axis=1, dtype=np.float64)
    whole = np.cumsum(runs)
    for rows in range(deepest, THINNEST - 1, -1):
        share = whole[rows - 1] / rows
        if share < LEAST_GROUND or np.median(runs[max(0, rows - 8) : rows]) < share / 2:
            continue
        behind = runs[rows : rows + max(8, rows)]
        if max(behind[:3].max(), behind.mean()) > BEYOND * share or runs[rows - 3 : rows].max() < STEEP * share:
            continue
        bare = (runs[:rows] < share / 5) & ~ruled[:rows]
        across = np.array([part.mean() for part in np.array_split(same[:rows], PARTS, axis=1)])
        if bare.mean() > BARE or np.mean(across < LEAST_GROUND) > BARE:
            continue
        if _glyphs(near[:rows], ground) >= GLYPHS:
            end = rows  # the last row of the ground, or of a line that is printed after it
            while end > 1 and runs[end - 1] < share / 2 and not ruled[end - 1]:
                end -= 1
            return end
    return 0


def _glyphs(band: Levels, ground: int) -> int:
    """Largest number of pieces of ink of the size and shape of letters that stand on one line."""
    ink = (np.abs(band - ground) > CONTRAST).astype(np.uint8)
    if ink.mean() > 0.5:
        return 0
    _, _, sizes, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    wide, high, area = (sizes[1:, column] for column in (cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT, cv2.CC_STAT_AREA))
    letters = (high >= 4) & (high <= 0.9 * len(band)) & (wide <= 2.5 * high) & (area >= 6)
    feet = (sizes[1:, cv2.CC_STAT_TOP] + high)[letters]
    lines = np.convolve(np.bincount(feet, minlength=len(band)), np.ones(3, dtype=np.int64))
    return int(lines.max(initial=0))


def _commonest(levels: Levels) -> tuple[int, float]:
    """The most frequent grey level and its share."""
    counts = np.bincount(levels.ravel().astype(np.int64) + 128)
    level = int(counts.argmax())
    return level - 128, float(counts[level] / levels.size)

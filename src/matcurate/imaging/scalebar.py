"""Scale bars that software has drawn into a micrograph, with the length beside them.

The rule: a horizontal rectangle of the image's darkest or brightest level, much longer than thick, full and alone; and
above, below or beside it at least three letters of about that level that stand on one line. Without letters it may be
a part of the material, and is none. Letters alone, as those of a journal's panel, are not sought.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from matcurate.imaging.databar import Levels, grey_levels
from matcurate.types import BoolMask, Pixels

SAME, ALIKE = 24, 90
"""Grey levels of 255 by which pixels of a bar, and of its blurred letters, differ at most from the extreme."""
SHORTEST, LONGEST, THICKEST = 0.06, 0.65, 0.05
"""Least and largest length of a bar as part of the columns; largest thickness as part of the rows."""
SLENDER, FULL, OPEN = 4, 0.95, 0.15
"""Least length over thickness; least share of the box that is bar; largest share of its surroundings that look so."""
REACH = 0.13
"""How far from a bar its letters may lie, as part of the rows."""
LOWEST, HIGHEST = 6, 0.11
"""Height of letters: least in pixels, largest as part of the rows."""
LETTERS = 3
"""Least number of letters in a length, as ``5nm``."""
APART = 1.6
"""Largest gap between letters, and between bar and letters, over the height of these."""
MARGIN = 3
"""Pixels around bar and letters that their blurred outlines and the glow of JPEG reach."""


@dataclass(frozen=True, slots=True)
class Box:
    """Part of an image: first row and column, rows and columns, in pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def bottom(self) -> int:
        """Row after the last one."""
        return self.top + self.height

    @property
    def right(self) -> int:
        """Column after the last one."""
        return self.left + self.width

    def within(self, shape: tuple[int, ...], margin: int = 0) -> tuple[slice, slice]:
        """The part of an array (H, W) with a margin around it."""
        return (
            slice(max(0, self.top - margin), min(shape[0], self.bottom + margin)),
            slice(max(0, self.left - margin), min(shape[1], self.right + margin)),
        )


@dataclass(frozen=True, slots=True)
class ScaleBar:
    """A scale bar and the letters beside it."""

    bar: Box
    text: Box

    def mask(self, shape: tuple[int, int]) -> BoolMask:
        """What bar and letters cover of an image (H, W), with a margin."""
        covered = np.zeros(shape, dtype=np.bool_)
        covered[self.bar.within(shape, MARGIN)] = True
        covered[self.text.within(shape, MARGIN)] = True
        return covered


def find_scale_bars(pixels: Pixels) -> tuple[ScaleBar, ...]:
    """Find the scale bars with a length beside them in an image (H, W) of uint8, uint16 or float."""
    levels = grey_levels(pixels)
    extremes = dict.fromkeys((int(levels.min()), int(levels.max())))
    return tuple(
        ScaleBar(bar, text)
        for level in extremes
        for bar in _bars(levels, level)
        if (text := _letters(levels, level, bar)) is not None
    )


def _bars(levels: Levels, level: int) -> Iterator[Box]:
    """Rectangles of one level that could be scale bars."""
    height, width = levels.shape
    same = (np.abs(levels - level) <= SAME).astype(np.uint8)
    shortest = max(16, round(SHORTEST * width))
    lines = cv2.morphologyEx(same, cv2.MORPH_OPEN, np.ones((1, shortest | 1), np.uint8))  # odd: it shifts nothing
    for box, area in _pieces(lines.astype(np.uint8), connectivity=4):
        slender = box.height * SLENDER <= box.width <= LONGEST * width
        thin = box.height <= max(3, THICKEST * height)
        if slender and thin and area >= FULL * box.height * box.width and _surroundings(same, box) <= OPEN:
            yield box


def _surroundings(same: NDArray[np.uint8], box: Box) -> float:
    """Share of the level on the lines three pixels outside of the sides of a box; 1 where all lie outside the image."""
    height, width = same.shape
    rows, columns = box.within(same.shape)
    across = [same[row, columns] for row in (box.top - 3, box.bottom + 2) if 0 <= row < height]
    along = [same[rows, column] for column in (box.left - 3, box.right + 2) if 0 <= column < width]
    return float(np.concatenate([*across, *along]).mean()) if across or along else 1.0


def _letters(levels: Levels, level: int, bar: Box) -> Box | None:
    """The longest line of letters of a level above, below or beside a bar; None where it has too few."""
    reach, (height, width) = round(REACH * len(levels)), levels.shape
    top, left = max(0, bar.top - reach), max(0, bar.left - bar.width // 2 - reach)
    bottom, right = min(height, bar.bottom + reach), min(width, bar.right + bar.width // 2 + reach)
    ink = (np.abs(levels[top:bottom, left:right] - level) <= ALIKE).astype(np.uint8)
    ink[Box(bar.top - top, bar.left - left, bar.height, bar.width).within(ink.shape, 1)] = 0
    glyphs = [
        Box(box.top + top, box.left + left, box.height, box.width)
        for box, area in _pieces(ink, connectivity=8)
        if LOWEST <= box.height <= HIGHEST * height
        and box.width <= 2 * box.height
        and area >= 0.15 * box.height * box.width
        and min(box.top, box.left) > 0
        and box.bottom < len(ink)
        and box.right < ink.shape[1]
    ]
    lines = (_line(glyphs, glyph) for glyph in glyphs if _is_beside(glyph, bar))
    longest = max((line for line in lines if _is_beside(_around(line), bar)), key=len, default=[])
    return _around(longest) if len(longest) >= LETTERS else None


def _is_beside(text: Box, bar: Box) -> bool:
    """Whether letters lie near enough above, below or beside a bar to tell its length."""
    down = max(bar.top - text.bottom, text.top - bar.bottom, 0)
    aside = max(bar.left - text.right, text.left - bar.right, 0)
    return min(down, aside) == 0 and max(down, aside) <= APART * text.height


def _line(glyphs: list[Box], first: Box) -> list[Box]:
    """The longest row of letters of about the height of one, that stand where it stands and follow each other."""
    alike = [
        other
        for other in glyphs
        if abs(other.bottom - first.bottom) <= max(2, 0.12 * first.height)
        and 0.5 * first.height <= other.height <= 1.5 * first.height
    ]
    best: list[Box] = []
    row: list[Box] = []
    for glyph in sorted(alike, key=lambda box: box.left):
        if row and glyph.left - row[-1].right > APART * first.height:
            row = []
        row = [*row, glyph]
        best = max(best, row, key=len)
    return best


def _around(boxes: list[Box]) -> Box:
    top, left = min(box.top for box in boxes), min(box.left for box in boxes)
    bottom, right = max(box.bottom for box in boxes), max(box.right for box in boxes)
    return Box(top, left, bottom - top, right - left)


def _pieces(mask: NDArray[np.uint8], connectivity: int) -> Iterator[tuple[Box, int]]:
    """Boxes and areas of the connected pieces of a mask (H, W)."""
    _, _, sizes, _ = cv2.connectedComponentsWithStats(mask, connectivity=connectivity)
    for left, top, width, height, area in sizes[1:].tolist():
        yield Box(top, left, height, width), area

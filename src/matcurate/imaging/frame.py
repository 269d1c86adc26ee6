"""The micrograph itself within its file: without the flat border of a figure, or a data bar that shows hardly a letter.

The rule, for each edge of the image: the outermost rows are mostly one grey level; so are all rows up to one after
which hardly a pixel has that level. A data bar holds text, so a row of it need show its ground in a part only. A flat
ground behind objects ends at no single row, and is kept.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcurate.imaging.stretch import stretched
from matcurate.types import Pixels

SAME = 4
"""Grey levels of 255 by which pixels of one ground differ at most."""
OUTERMOST = 0.015
"""Part of the rows that the ground is looked for in."""
GROUND, TEXT, BEYOND = 0.6, 0.2, 0.15
"""Least share of the ground in the outermost rows, and in the mean of all rows of a bar; least share in each of its
rows; largest share in the rows after it."""
THINNEST, THICKEST = 0.02, 0.15
"""Limits of a bar's thickness, as part of the rows."""
SMALLEST_EDGE = 64


@dataclass(frozen=True, slots=True)
class Frame:
    """Rows and columns of the micrograph: from ``top`` to ``bottom`` and from ``left`` to ``right``, ends exclusive."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def inside(self) -> tuple[slice, slice]:
        """The part of an array (H, W)."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def moved(self, down: int, right: int) -> "Frame":
        """The same within a larger image, in which (0, 0) lies at (``down``, ``right``)."""
        return Frame(self.top + down, self.left + right, self.bottom + down, self.right + right)


def frame_of(pixels: Pixels) -> Frame | None:
    """Find the micrograph within an image (H, W) of uint8, uint16 or float; None where it is the whole image."""
    height, width = pixels.shape
    if min(height, width) < SMALLEST_EDGE:
        return None
    levels = np.rint(stretched(pixels) * 255).astype(np.int16)
    top, bottom = _thickness(levels), _thickness(levels[::-1])
    middle = levels[top : height - bottom]
    left, right = _thickness(middle.T), _thickness(middle.T[::-1])
    frame = Frame(top, left, height - bottom, width - right)
    return None if frame == Frame(0, 0, height, width) else frame


def _thickness(levels: NDArray[np.int16]) -> int:
    """Rows of the bar or border along the first edge of an image (H, W); 0 where there is none."""
    rows = len(levels)
    outermost = levels[: max(4, round(OUTERMOST * rows))]
    ground = int(np.bincount(outermost.ravel(), minlength=256).argmax())
    most = int(THICKEST * rows)
    share = np.mean(np.abs(levels[: most + 3] - ground) <= SAME, axis=1)
    if share[: len(outermost)].mean() < GROUND:
        return 0
    within = int(np.argmax(share < TEXT)) if (share < TEXT).any() else len(share)
    for thickness in range(within, max(5, int(THINNEST * rows)) - 1, -1):
        after = share[thickness : thickness + 3]
        if len(after) == 3 and after.max() <= BEYOND and share[:thickness].mean() >= GROUND:
            return thickness
    return 0

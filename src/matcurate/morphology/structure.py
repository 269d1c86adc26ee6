"""Whether objects fill the image, as grains do, or lie apart in a matrix."""

from typing import Literal

import cv2
import numpy as np
from skimage.segmentation import expand_labels

from matcurate.morphology.lines import MOST_COVERED, measure_lines
from matcurate.morphology.numbering import LabelIds
from matcurate.types import BoolMask

Structure = Literal["grains", "objects"]

LINE_WIDTH = 4
"""Background up to this width in pixels is taken for boundary lines, and wider background where it is their network."""
COVERED = 0.95
"""Share of the image that grains cover once their boundary lines are closed."""


def decide_structure(compact: LabelIds, lines: BoolMask | None = None) -> Structure:
    """``grains`` when the objects (H, W), with the lines between them closed, cover at least 95 % of the image.

    ``lines`` (H, W) is background that is boundary lines; :func:`boundary_lines` by default.
    """
    closed = (boundary_lines(compact) if lines is None else lines) | (compact > 0)
    return "grains" if np.count_nonzero(closed) >= COVERED * compact.size else "objects"


def close_lines(compact: LabelIds, lines: BoolMask | None = None) -> LabelIds:
    """Give the background lines between grains (H, W) to the nearest grain; other background stays."""
    between = boundary_lines(compact) if lines is None else lines
    if not between.any() or not compact.any():
        return compact
    grown = expand_labels(compact, distance=np.inf)
    return np.asarray(np.where(between & (compact == 0), grown, compact), dtype=np.int32)


def boundary_lines(compact: LabelIds) -> BoolMask:
    """Background (H, W) that is boundary lines: all of a network of lines, else what is no wider than a line."""
    background: BoolMask = compact == 0
    thin = _thin(background)
    rest = np.count_nonzero(background & ~thin)
    if rest and np.count_nonzero(background) <= MOST_COVERED * compact.size:
        return background if measure_lines(background).objection is None else thin
    return thin


def _thin(background: BoolMask) -> BoolMask:
    """What an opening of the background with a square wider than a line takes away."""
    square = np.ones((LINE_WIDTH + 1, LINE_WIDTH + 1), dtype=np.uint8)
    wide = cv2.morphologyEx(background.view(np.uint8), cv2.MORPH_OPEN, square, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(background & (wide == 0), dtype=np.bool_)

"""Whether objects fill the image, as grains do, or lie apart in a matrix."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from skimage.segmentation import expand_labels

from matcurate.morphology.numbering import LabelIds
from matcurate.types import BoolMask

Structure = Literal["grains", "objects"]

LINE_WIDTH = 4
"""Boundaries drawn as background are taken for lines up to this width in pixels."""
COVERED = 0.95
"""Share of the image that grains cover once their boundary lines are closed."""


def decide_structure(compact: LabelIds) -> Structure:
    """``grains`` when the objects, with the lines between them closed, cover at least 95 % of the image.

    Parameters
    ----------
    compact : int32 array (H, W)
        Object ids, 0 is background.
    """
    return "grains" if np.count_nonzero(_lines(compact) | (compact > 0)) >= COVERED * compact.size else "objects"


def close_lines(compact: LabelIds) -> LabelIds:
    """Give the background lines between grains to the nearest grain; wider background stays.

    Parameters
    ----------
    compact : int32 array (H, W)
        Grain ids, 0 is background.
    """
    lines = _lines(compact)
    if not lines.any():
        return compact
    grown = expand_labels(compact, distance=LINE_WIDTH)
    return np.asarray(np.where(lines, grown, compact), dtype=np.int32)


def _lines(compact: LabelIds) -> BoolMask:
    """Background no wider than a line: what an opening of the background with a square takes away."""
    background = (compact == 0).astype(np.uint8)
    square = np.ones((LINE_WIDTH + 1, LINE_WIDTH + 1), dtype=np.uint8)
    wide = cv2.morphologyEx(background, cv2.MORPH_OPEN, square, borderType=cv2.BORDER_REPLICATE)
    return np.asarray((background > 0) & (wide == 0), dtype=np.bool_)

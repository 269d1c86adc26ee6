"""The grey-level filter of masks: the step of grey level along their outline.

This is MatSAM's filter (Li et al. 2024, section 2.4: it "removes the background area that is misclassified") in a local
form, which shading and uneven grey do not disturb. It also makes masks of different proposers comparable, whose own
qualities are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.filters import threshold_otsu

from matcurate.segmentation.denoising import Grey
from matcurate.types import Candidate, Side

CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def class_gap(grey: Grey) -> float:
    """Difference between the mean grey levels of Otsu's two classes; 0 for a constant image (H, W)."""
    if np.ptp(grey) == 0:
        return 0.0
    bright = grey > threshold_otsu(grey)
    return float(grey[bright].mean()) - float(grey[~bright].mean())


def rescored(candidates: Sequence[Candidate], grey: Grey, side: Side) -> tuple[Candidate, ...]:
    """Give every candidate of a denoised image (H, W) its contrast as quality, in the same order.

    It is the step from the one-pixel ring outside to the one-pixel rim inside, towards the foreground's side, over the
    distance between the image's two grey classes; in [0, 1], largest where the outline follows the edge.
    """
    gap = class_gap(grey) * (1 if side == "bright" else -1)
    if gap == 0:
        return tuple(candidate.rated(0.0) for candidate in candidates)
    return tuple(c.rated(min(max(_step(c, grey) / gap, 0.0), 1.0)) for c in candidates)


def _step(candidate: Candidate, grey: Grey) -> float:
    """Mean grey level of the rim inside a mask minus that of the ring outside; 0 when nothing is outside."""
    top, left, bottom, right = candidate.box
    row, column = min(1, top), min(1, left)
    window = grey[top - row : bottom + 1, left - column : right + 1]
    mask: NDArray[np.uint8] = np.zeros(window.shape, dtype=np.uint8)
    mask[row : row + candidate.mask.shape[0], column : column + candidate.mask.shape[1]] = candidate.mask
    ring = np.asarray(cv2.dilate(mask, CROSS) - mask, dtype=np.uint8)
    if not cv2.countNonZero(ring):
        return 0.0
    rim = np.asarray(mask - cv2.erode(mask, CROSS), dtype=np.uint8)
    return _mean(window, rim) - _mean(window, ring)


def _mean(window: Grey, where: NDArray[np.uint8]) -> float:
    """Mean grey level where a mask is not 0; several times faster than by NumPy for small windows."""
    return cast(Sequence[float], cv2.mean(window, where))[0]

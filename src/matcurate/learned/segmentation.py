"""Probabilities of phases → a segmentation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label

from matcurate.segmentation.result import Segmentation
from matcurate.types import BoolMask


def segmentation_of(shares: NDArray[np.float32], ignored: BoolMask | None = None) -> Segmentation:
    """Segmentation that probabilities of phases (n, h, w) give, as :meth:`Learned.segment` describes it.

    They belong to the part of an image (H, W) that is not ``ignored`` (H, W).
    """
    phases = shares.argmax(axis=0).astype(np.uint8)
    instances = label(phases, background=0, connectivity=1).astype(np.uint32)
    score = float(np.clip(shares.max(axis=0).mean(), 0.0, 1.0))
    return Segmentation(phases, instances, score).without(ignored)

"""Grains that fill the image, between the boundaries that the network sees."""

from __future__ import annotations

import cv2
import numpy as np

from matcurate.promptable.builtin.maps import ObjectMaps
from matcurate.segmentation.objects.merging import Ids, tiled

SMOOTHING = 1.0
"""Standard deviation in pixels of the Gaussian that makes one ridge of a border that is several pixels wide."""
BORDER = 0.35
"""Mean probability along the border of two regions from which they are two grains."""


def grains(maps: ObjectMaps, smallest: int) -> Ids:
    """Grains 1 … N (H, W) of at least ``smallest`` pixels; every pixel belongs to one.

    The probability of a border is the geometric mean of those of contact and boundary.
    """
    both = np.sqrt(maps.contact.astype(np.float32) * maps.boundary.astype(np.float32))
    return tiled(np.asarray(cv2.GaussianBlur(both, (0, 0), SMOOTHING), dtype=np.float32), BORDER, smallest)

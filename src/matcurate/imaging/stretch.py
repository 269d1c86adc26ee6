"""Grey values between black and white, whatever the micrograph's depth and contrast."""

import numpy as np
from numpy.typing import NDArray

from matcurate.types import Pixels

OUTLIERS = (0.5, 99.5)
"""Percentiles between which grey values are stretched, so that one speck of dirt does not move a threshold."""


def stretched(pixels: Pixels) -> NDArray[np.float32]:
    """Map the percentiles ``OUTLIERS`` of an image (H, W) onto 0 and 1, cut off what lies outside; a constant is 0."""
    low, high = (float(value) for value in np.percentile(pixels, OUTLIERS))
    if not high > low:  # nearly all pixels are equal: what differs must not be cut off
        low, high = float(pixels.min()), float(pixels.max())
    if not high > low:
        return np.zeros(pixels.shape, dtype=np.float32)
    grey = np.empty(pixels.shape, dtype=np.float32)
    np.subtract(pixels, low, out=grey, dtype=np.float64, casting="same_kind")  # without a copy in double precision
    grey /= high - low
    return np.clip(grey, 0, 1, out=grey)

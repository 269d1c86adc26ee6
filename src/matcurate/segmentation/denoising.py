"""A micrograph without noise, as 8-bit grey levels, and measures of grey levels.

References
----------
A. Buades, B. Coll, J.-M. Morel, "A non-local algorithm for image denoising", CVPR 2005.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.filters import threshold_otsu

from matcurate.imaging.stretch import stretched
from matcurate.types import BoolMask, Pixels, Side

Grey = NDArray[np.uint8]
Field = NDArray[np.float32]

STRENGTH = 8.0
"""Strength of the non-local means, in grey levels of the stretched 8-bit image."""
SEARCH = 9
"""Edge in pixels of the window in which similar patches are averaged."""


def denoise(pixels: Pixels) -> Grey:
    """Stretch a finite image (H, W) to the outlier percentiles and denoise it by non-local means.

    All zero for a constant image.
    """
    grey = to_levels(pixels.astype(np.float32))
    return np.asarray(cv2.fastNlMeansDenoising(grey, None, STRENGTH, 7, SEARCH), dtype=np.uint8)


def to_levels(values: Field) -> Grey:
    """Stretch from the outlier percentiles to 0…255; from the extremes when these coincide; constant gives 0."""
    return np.asarray(np.rint(stretched(values) * np.float32(255)), dtype=np.uint8)


def otsu_foreground(grey: NDArray[np.generic], side: Side) -> BoolMask:
    """Pixels on one side of Otsu's threshold; none when all grey levels are equal."""
    if np.ptp(grey) == 0:
        return np.zeros(grey.shape, dtype=np.bool_)
    bright = grey > threshold_otsu(grey)
    return np.asarray(bright if side == "bright" else ~bright)


def separability(grey: Grey | Field, foreground: BoolMask) -> float:
    """Otsu's η: variance between the two classes over the whole variance, in [0, 1]; 0 when there is only one class."""
    whole = float(np.var(grey))
    share = float(foreground.mean())
    if whole == 0 or share in (0.0, 1.0):
        return 0.0
    gap = float(grey[foreground].mean()) - float(grey[~foreground].mean())
    return min(1.0, share * (1 - share) * gap**2 / whole)


def gradient_magnitude(smooth: Field) -> Field:
    """Magnitude of the Sobel gradient, in grey levels for each pixel."""
    across = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=1 / 8)
    return np.asarray(cv2.magnitude(across, down), dtype=np.float32)

"""From a micrograph to the grey-level relief that the tree is built on: stretched and denoised."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.filters import threshold_otsu

from matcurate.promptable.tree.settings import TreeSettings
from matcurate.types import Pixels

FULL = 65535


def relief(pixels: Pixels, settings: TreeSettings) -> NDArray[np.float32]:
    """Grey values in [0, 1] after stretching to the 0.5 to 99.5 percentiles and denoising.

    The stretch comes first, so that a 16-bit or float image of low contrast keeps its levels.

    Parameters
    ----------
    pixels : array (H, W)
        uint8, uint16 or float, finite, H and W at least 1.

    Returns
    -------
    float32 array (H, W)
        In [0, 1]; all zero when the image is constant.

    Raises
    ------
    ValueError
        When the image is not two-dimensional, is empty or is not finite.
    """
    if pixels.ndim != 2 or pixels.size == 0:
        raise ValueError(f"pixels must be a non-empty (H, W) array, got shape {pixels.shape}")
    grey = pixels.astype(np.float32)
    if not np.isfinite(grey).all():
        raise ValueError("pixels must be finite")
    grey = stretched(grey)
    if settings.denoise > 0:
        deep = np.rint(grey * FULL).astype(np.uint16)
        strength = [settings.denoise / 255 * FULL]
        grey = cv2.fastNlMeansDenoising(
            deep, h=strength, templateWindowSize=7, searchWindowSize=21, normType=cv2.NORM_L1
        ).astype(np.float32)
    if settings.blur > 0:
        grey = cv2.GaussianBlur(grey, (0, 0), settings.blur).astype(np.float32)
    return stretched(grey)


def stretched(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Map the 0.5 to 99.5 percentiles onto 0 to 1 and cut off what lies outside; constant becomes 0."""
    low, high = np.percentile(grey, (0.5, 99.5))
    if not high > low:
        low, high = float(grey.min()), float(grey.max())
    if not high > low:
        return np.zeros_like(grey)
    return np.clip((grey - np.float32(low)) / np.float32(high - low), 0, 1)


def class_distance(grey: NDArray[np.float32]) -> float:
    """Difference of the means of Otsu's two classes, 0 for a constant image."""
    if grey.min() == grey.max():
        return 0.0
    bright = grey > threshold_otsu(grey)
    return float(grey[bright].mean() - grey[~bright].mean())

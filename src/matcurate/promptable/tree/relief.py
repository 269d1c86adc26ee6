"""From a micrograph to the reliefs that trees are built on: stretched, denoised, and free of shading."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from matcurate.imaging.stretch import stretched
from matcurate.promptable.tree.settings import TreeSettings
from matcurate.types import Pixels

Relief = NDArray[np.float32]

FULL = 65535
TEXTURE = 4.0
"""Squared steepness below this multiple of its median is taken for texture, not for edges."""
COARSEST = 8
"""The pyramid of edge levels ends when a side is shorter than this."""


def relief(pixels: Pixels, settings: TreeSettings) -> Relief:
    """Grey values in [0, 1], stretched and denoised.

    The stretch comes first, so that a 16-bit or float image of low contrast keeps its levels. Non-local means
    (Buades et al. 2005) with a strength in proportion to the noise, then a light Gaussian.

    Parameters
    ----------
    pixels : array (H, W)
        uint8, uint16 or float, finite, H and W at least 1.
    settings : TreeSettings
        ``denoise`` and ``blur`` are used.

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
    if not np.isfinite(pixels).all():
        raise ValueError("pixels must be finite")
    grey = stretched(pixels)
    strength = settings.denoise * noise(grey) * FULL
    if strength >= 1:
        deep = np.rint(grey * FULL).astype(np.uint16)
        calm = cv2.fastNlMeansDenoising(
            deep, h=[strength], templateWindowSize=7, searchWindowSize=21, normType=cv2.NORM_L1
        )
        grey = np.asarray(calm / FULL, dtype=np.float32)
    if settings.blur > 0:
        grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), settings.blur), dtype=np.float32)
    return stretched(grey)


def noise(grey: Relief) -> float:
    """Standard deviation of the noise, from the median of a Laplacian difference that is blind to edges.

    Immerkær 1996, "Fast noise variance estimation", with the median instead of the mean.
    """
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)
    return float(np.median(np.abs(cv2.filter2D(grey, -1, mask)))) / (6 * 0.6745)


def steepness(grey: Relief) -> Relief:
    """Length of the grey-level gradient (H, W) by Scharr's operator, in grey values per pixel."""
    along_x = cv2.Scharr(grey, cv2.CV_32F, 1, 0)
    along_y = cv2.Scharr(grey, cv2.CV_32F, 0, 1)
    return np.hypot(along_x, along_y).astype(np.float32) / np.float32(32)


def edge_level(grey: Relief, slope: Relief) -> Relief:
    """Grey level (H, W) at which the edges around each pixel lie: the local threshold.

    The mean of the grey values weighted by squared steepness (Kittler et al. 1985), over a window without a
    scale of its own: Gaussians of 2.5, 5, 10 … pixels up to the image's size are added, each of equal mass, so
    that the nearest strong edges decide. An image pyramid makes this linear in the number of pixels.

    Parameters
    ----------
    grey : float32 array (H, W)
        Denoised relief in [0, 1].
    slope : float32 array (H, W)
        Its :func:`steepness`.
    """
    power = slope**2
    weight = np.maximum(power - np.float32(TEXTURE) * np.median(power), 0) + np.float32(1e-8)
    return (_over_all_scales(weight * grey) / _over_all_scales(weight)).astype(np.float32)


def flattened(grey: Relief) -> Relief:
    """Height of a relief (H, W) above its :func:`edge_level`, stretched to [0, 1]: no shading, no halos."""
    return stretched(grey - edge_level(grey, steepness(grey)))


def _over_all_scales(values: Relief) -> Relief:
    levels: list[Relief] = []
    current = values
    while min(current.shape) >= COARSEST:
        current = np.asarray(cv2.pyrDown(current), dtype=np.float32)
        blurred = cv2.GaussianBlur(current, (0, 0), 1.25, borderType=cv2.BORDER_REFLECT)
        levels.append(np.asarray(blurred, dtype=np.float32))
    if not levels:
        return np.full_like(values, values.mean())
    total = levels.pop()
    for finer in reversed(levels):
        total = _enlarged(total, finer) + finer
    return _enlarged(total, values)


def _enlarged(coarse: Relief, like: Relief) -> Relief:
    height, width = like.shape
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)

"""Bringing micrographs and their masks to one pixel size."""

import cv2
import numpy as np

from matcurate.errors import UnreadableImageError
from matcurate.types import Calibration, LabelMap, Pixels


def rescaled_shape(
    shape: tuple[int, int], now: Calibration, wanted: Calibration, max_megapixels: float
) -> tuple[int, int]:
    """(H, W) at another pixel size: the same field of view, each side rounded and at least 1.

    Raises UnreadableImageError when the result would have more than ``max_megapixels``.
    """
    height, width = shape[0] * now.nm_per_px_y / wanted.nm_per_px_y, shape[1] * now.nm_per_px / wanted.nm_per_px
    if height * width > max_megapixels * 1e6:
        raise UnreadableImageError(
            f"{shape[1]} x {shape[0]} pixels of {now.nm_per_px:g} nm are more than {max_megapixels:g} megapixels at "
            f"{wanted.nm_per_px:g} nm; correct --nm-per-px, or choose a larger pixel"
        )
    return max(1, round(height)), max(1, round(width))


def rescale_pixels(pixels: Pixels, shape: tuple[int, int]) -> Pixels:
    """Grey values at the size ``shape`` (H', W') in the same depth: means over areas when smaller, else bilinear."""
    if shape == pixels.shape:
        return pixels
    smaller = shape[0] * shape[1] < pixels.size
    resized = cv2.resize(pixels, (shape[1], shape[0]), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    return np.asarray(resized, dtype=pixels.dtype)


def rescale_labels(labels: LabelMap, shape: tuple[int, int]) -> LabelMap:
    """Ids at the size ``shape`` (H', W'): each pixel takes the id under its centre; no new ids appear."""
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(np.intp), old - 1)
        for new, old in zip(shape, labels.shape, strict=True)
    )
    return np.ascontiguousarray(labels[np.ix_(rows, columns)])

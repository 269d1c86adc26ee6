"""Crops of a region and their embeddings: the features around a pixel, averaged over the region's part of the crop.

The paper cuts m × m pixels out of the image. A thin layer fills no such square; here the parts of the crop outside the
region are left out, so that its neighbours do not lend it their texture.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from matcurate.segmentation.boost.textures import FeatureMap
from matcurate.types import BoolMask, Pixels

Places = NDArray[np.int64]
"""Centres (N, 2) of crops: row, column."""

RIM = 4
"""Pixels along the rim of a region whose texture is half its neighbour's; left out where the region has more."""
LEAST_WEIGHT = 1e-6
"""Cells below which a crop has met nothing of its region, and takes the mean over the region instead."""


def crop_places(region: BoolMask, count: int, rng: np.random.Generator) -> Places:
    """Draw the centres of ``count`` crops from the pixels of a region (H, W) that is not empty.

    Returns
    -------
    int array (count, 2)
        (row, column); with repeats only where the region has fewer pixels.
    """
    inside = np.flatnonzero(region)
    drawn = rng.choice(inside, size=count, replace=len(inside) < count)
    return np.stack(np.unravel_index(drawn, region.shape), axis=1).astype(np.int64)


def embedded(features: FeatureMap, region: BoolMask, places: Places, crop: int) -> FeatureMap:
    """Mean features of a region within the crops around some of its pixels.

    Parameters
    ----------
    features : float array (h, w, C)
        Of the image (H, W).
    region : bool array (H, W)
        Not empty.
    places : int array (N, 2)
        Centres of the crops.
    crop : int
        Edge of the crops in pixels.

    Returns
    -------
    float array (N, C)
    """
    coverage = _coverage(region, features.shape[:2])
    (top, bottom), (left, right) = (_extent(coverage.max(axis=axis) > 0) for axis in (1, 0))
    weights = coverage[top:bottom, left:right]
    weighted = features[top:bottom, left:right] * weights[..., None]
    scale = np.array(features.shape[:2]) / region.shape
    window = tuple(max(1, 2 * round((crop * cells - 1) / 2) + 1) for cells in scale)
    rows = np.clip((places[:, 0] * scale[0]).astype(np.int64), top, bottom - 1) - top
    columns = np.clip((places[:, 1] * scale[1]).astype(np.int64), left, right - 1) - left
    total = _box(weights, window)[rows, columns]
    sums = np.stack([_box(plane, window)[rows, columns] for plane in np.moveaxis(weighted, -1, 0)], axis=1)
    near = total > LEAST_WEIGHT
    whole = weighted.sum(axis=(0, 1)) / weights.sum()
    return np.where(near[:, None], sums / np.where(near, total, 1)[:, None], whole).astype(np.float32)


def cut(pixels: Pixels, places: Places, crop: int) -> Pixels:
    """Cut squares (N, crop, crop) out of an image (H, W), mirrored where they reach over its frame."""
    before = crop // 2
    wide = np.pad(pixels, ((before, crop - before), (before, crop - before)), mode="symmetric")
    return np.stack([wide[row : row + crop, column : column + crop] for row, column in places])


def _coverage(region: BoolMask, cells: tuple[int, ...]) -> FeatureMap:
    """Share of the region in every cell (h, w), without its rim where that leaves something."""
    mask = region.astype(np.uint8)
    inner = cv2.erode(mask, np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8))  # the frame of the image is no rim
    kept = inner if inner.any() else mask
    return np.asarray(cv2.resize(kept.astype(np.float32), cells[::-1], interpolation=cv2.INTER_AREA), dtype=np.float32)


def _extent(occupied: BoolMask) -> tuple[int, int]:
    places = np.flatnonzero(occupied)
    return int(places[0]), int(places[-1]) + 1


def _box(values: FeatureMap, window: tuple[int, ...]) -> FeatureMap:
    """Sums over windows (rows, columns) around every cell; nothing lies outside the frame."""
    plane = np.ascontiguousarray(values, dtype=np.float64)  # running sums in float32 would leave dirt where nothing is
    return np.asarray(cv2.boxFilter(plane, cv2.CV_64F, window[::-1], normalize=False, borderType=cv2.BORDER_CONSTANT))

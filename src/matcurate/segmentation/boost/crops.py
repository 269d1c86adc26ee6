"""Crops of a region and their embeddings: the features around a pixel, averaged over the region's part of the crop.

The paper cuts m × m pixels out of the image. A thin layer fills no such square; here the parts of the crop outside the
region are left out, so that its neighbours do not lend it their texture.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from matcurate.segmentation.boost.textures import FeatureMap
from matcurate.types import BoolMask, Pixels

Places = NDArray[np.int64]
"""Centres (N, 2) of crops: row, column."""

RIM = 4
"""Pixels along the rim of a region whose texture is half its neighbour's; left out where the region has more."""
LEAST_WEIGHT = 1e-6
"""Covered cells below which a crop shows nothing of its region, and takes the mean over the region instead."""


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """Part of an image of ``shape``, no larger than its window, so that many small ones cost little.

    ``mask`` (h, w), not empty, begins at ``top`` and ``left``. The window reaches ``RIM`` pixels beyond the region, but
    not over the frame of the image.
    """

    top: int
    left: int
    mask: BoolMask
    shape: tuple[int, int]

    @classmethod
    def of(cls, owners: NDArray[np.integer], number: int, window: tuple[slice, slice]) -> Region:
        """Where ``owners`` (H, W) is ``number``, which is inside ``window`` only."""
        rows, columns = (slice(max(part.start - RIM, 0), part.stop + RIM) for part in window)
        return cls(rows.start, columns.start, owners[rows, columns] == number, (owners.shape[0], owners.shape[1]))

    @property
    def window(self) -> tuple[slice, slice]:
        """Of the mask in the image."""
        height, width = self.mask.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def crop_places(region: Region, count: int, rng: np.random.Generator) -> Places:
    """Draw the centres (count, 2) of crops, as (row, column) in the image, from the pixels of a region.

    There are repeats only where the region has fewer pixels.
    """
    inside = np.flatnonzero(region.mask)
    drawn = rng.choice(inside, size=count, replace=len(inside) < count)
    places = np.stack(np.unravel_index(drawn, region.mask.shape), axis=1)
    return np.asarray(np.add(places, (region.top, region.left)), dtype=np.int64)


def embedded(features: FeatureMap, region: Region, places: Places, crop: int) -> FeatureMap:
    """Mean features (N, C) of a region within crops around some of its pixels.

    ``features`` (h, w, C) are of the whole image; ``places`` (N, 2) are the centres of the crops in the image, as (row,
    column); ``crop`` is their edge in pixels.
    """
    cells = (features.shape[0], features.shape[1])
    coverage, first = _coverage(region, cells)
    parts = [_extent(coverage.max(axis=axis) > LEAST_WEIGHT) for axis in (1, 0)]
    weights = coverage[parts[0], parts[1]]
    origin = np.array([start + part.start for start, part in zip(first, parts, strict=True)])
    top, left = origin.tolist()
    weighted = features[top : top + len(weights), left : left + weights.shape[1]] * weights[..., None]
    scale = np.array(cells) / region.shape
    window = tuple(max(1, 2 * round((crop * share - 1) / 2) + 1) for share in scale)
    rows, columns = np.clip((places * scale).astype(np.int64) - origin, 0, np.array(weights.shape) - 1).T
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


def _coverage(region: Region, cells: tuple[int, int]) -> tuple[FeatureMap, tuple[int, int]]:
    """Share of a region in each of the cells around it, and the first cell; ``cells`` is (rows, columns) of the image.

    The region's rim is left out where that leaves something.
    """
    mask = region.mask.astype(np.uint8)
    inner = cv2.erode(mask, np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8))  # the frame of the image is no rim
    kept = (inner if inner.any() else mask).astype(np.float32)
    top, down = _shares(region.top, kept.shape[0], cells[0], region.shape[0])
    left, across = _shares(region.left, kept.shape[1], cells[1], region.shape[1])
    return np.asarray(down @ (across @ kept.T).T, dtype=np.float32), (top, left)


def _shares(start: int, length: int, cells: int, pixels: int) -> tuple[int, csr_array]:
    """First of the ``cells`` along an axis of ``pixels`` that a stretch of pixels meets, and their shares.

    The shares (cells, length) are what each pixel of the stretch fills of a cell.
    """
    first, last = start * cells // pixels, -(-(start + length) * cells // pixels)
    lows = np.arange(first, last)[:, None] * (pixels / cells)
    at = np.arange(start, start + length)
    overlap = np.minimum(lows + pixels / cells, at + 1) - np.maximum(lows, at)
    return first, csr_array((overlap.clip(0) * (cells / pixels)).astype(np.float32))


def _extent(occupied: BoolMask) -> slice:
    places = np.flatnonzero(occupied)
    return slice(int(places[0]), int(places[-1]) + 1)


def _box(values: FeatureMap, window: tuple[int, ...]) -> FeatureMap:
    """Sums over windows (rows, columns) around every cell; nothing lies outside the frame."""
    plane = np.ascontiguousarray(values, dtype=np.float64)  # running sums in float32 would leave dirt where nothing is
    return np.asarray(cv2.boxFilter(plane, cv2.CV_64F, window[::-1], normalize=False, borderType=cv2.BORDER_CONSTANT))

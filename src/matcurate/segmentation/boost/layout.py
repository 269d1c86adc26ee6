"""Which pixel belongs to which mask, what no mask covers, and the resulting map of materials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.ndimage import distance_transform_edt, find_objects
from skimage.measure import label

from matcurate.segmentation.boost.clustering import Labels
from matcurate.segmentation.boost.crops import Places, Region, crop_places
from matcurate.segmentation.boost.judges import Judge
from matcurate.types import Candidate, Pixels

GAP = 8
"""An unmasked region is a gap where it is nowhere deeper than this part of a crop's edge; else it is open."""
OVERLAPPING, MOST_CROPS = 4, 1000
"""Crops of an open region: the number in the area of one, and the maximum."""
STEP = 6
"""Open regions are sampled at points this part of a crop's edge apart."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Owner of every pixel: one of the masks (the smaller on top), or an open region where no mask is.

    ``owners`` (H, W) is below ``masks``, their number, the number of a mask, above it of an open region; -1 in narrow
    gaps.
    """

    owners: Labels
    masks: int

    @classmethod
    def of(cls, kept: Sequence[Candidate], shape: tuple[int, int], crop: int) -> Layout:
        """Lay out masks, largest first, on an image (H, W).

        Unmasked regions that are nowhere deeper than ``crop / GAP`` are gaps.
        """
        owners = np.full(shape, -1, dtype=np.int64)
        for number, mask in enumerate(kept):
            top, left, bottom, right = mask.box
            owners[top:bottom, left:right][mask.mask] = number
        free = label(owners < 0, connectivity=1)
        depth = distance_transform_edt(free > 0) if (free == 0).any() else np.full(shape, np.inf)
        deep = np.zeros(int(free.max()) + 1, dtype=np.bool_)
        deep[free[depth > crop / GAP]] = True
        deep[0] = False
        numbers = np.where(deep, len(kept) - 1 + np.cumsum(deep), -1)
        return cls(np.where(owners < 0, numbers[free], owners), len(kept))

    def region(self, number: int) -> Region:
        """Visible part of a mask or open region; not empty."""
        return Region.of(self.owners, number, self._windows[number])

    @cached_property
    def _windows(self) -> list[tuple[slice, slice]]:
        """Windows of all numbers, in one pass."""
        return list(find_objects(self.owners + 1))

    @property
    def numbers(self) -> Labels:
        """Masks and open regions with a visible part."""
        numbers = np.unique(self.owners)
        return np.asarray(numbers[numbers >= 0], dtype=np.int64)

    def areas(self) -> dict[int, int]:
        """Visible pixels of every mask and open region that has some."""
        numbers, counts = np.unique(self.owners[self.owners >= 0], return_counts=True)
        return dict(zip(numbers.tolist(), counts.tolist(), strict=True))

    def crop_places(self, crops: int, crop: int, rng: np.random.Generator) -> dict[int, Places]:
        """Crops of every region: ``crops`` of the largest, in proportion to the root of the area, at least a third.

        Open regions, which may hold several materials, have at least ``OVERLAPPING`` crops in the area of one (of edge
        ``crop``), up to ``MOST_CROPS``.
        """
        areas = self.areas()
        largest = max(areas.values())

        def wanted(number: int, area: int) -> int:
            spread = round(OVERLAPPING * area / crop**2) if number >= self.masks else 0
            return max(round(crops * math.sqrt(area / largest)), -(-crops // 3), min(spread, MOST_CROPS))

        return {n: crop_places(self.region(n), wanted(n, area), rng) for n, area in areas.items()}


def paint(layout: Layout, winners: Labels, judge: Judge, crop: int) -> Labels:
    """Material (H, W) of every pixel: a mask's winner, or the texture around a pixel in open regions; -1 in gaps.

    ``winners`` (M,) is the material of each mask, -1 for a hidden one. ``crop`` is the edge of the judge's crops in
    pixels.
    """
    materials = np.concatenate([winners, [-1]])[np.minimum(layout.owners, layout.masks)]
    for number in layout.numbers[layout.numbers >= layout.masks]:
        region = layout.region(int(number))
        materials[region.window][region.mask] = _by_place(region, judge, max(1, crop // STEP))
    return np.asarray(materials, dtype=np.int64)


def _by_place(region: Region, judge: Judge, step: int) -> Labels:
    """Material (n,) of every pixel of an open region: that of the nearest of sample points ``step`` pixels apart."""
    sites = np.zeros(region.mask.shape, dtype=np.bool_)
    sites[(step // 2 - region.top) % step :: step, (step // 2 - region.left) % step :: step] = True
    sites &= region.mask
    if not sites.any():
        sites = region.mask
    places = np.add(np.argwhere(sites), (region.top, region.left))
    materials = np.zeros(region.mask.shape, dtype=np.int64)
    materials[sites] = judge(region, places)
    nearest = distance_transform_edt(~sites, return_distances=False, return_indices=True)
    return np.asarray(materials[tuple(nearest)][region.mask])


def fill_gaps(materials: Labels) -> Labels:
    """Materials (H, W) whose gaps (-1) take the material of the nearest pixel that has one."""
    nearest = distance_transform_edt(materials < 0, return_distances=False, return_indices=True)
    return np.asarray(materials[tuple(nearest)])


def by_brightness(materials: Labels, pixels: Pixels, count: int) -> Labels:
    """Rank (count,) of every material by its mean grey level, the darkest 0; those that do not occur come last."""
    seen = materials >= 0
    areas = np.bincount(materials[seen], minlength=count)
    sums = np.bincount(materials[seen], weights=pixels[seen], minlength=count)
    means = np.where(areas > 0, sums / np.maximum(areas, 1), np.inf)
    ranks = np.empty(count, dtype=np.int64)
    ranks[np.argsort(means, kind="stable")] = np.arange(count)
    return ranks

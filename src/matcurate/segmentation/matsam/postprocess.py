"""From separate masks to what metallographers report: phases, or grains and their boundaries.

MatSAM (Li et al. 2024), sections 2.3 and 2.4: the masks of a phase become one mask, grains keep theirs and give a
closed boundary network.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.filters import sobel
from skimage.measure import label
from skimage.segmentation import find_boundaries, watershed

from matcurate.types import BoolMask, Candidate

Grey = NDArray[np.uint8]
Ids = NDArray[np.uint32]


def paint(candidates: Sequence[Candidate], shape: tuple[int, int]) -> Ids:
    """Instance ids (H, W), 1 for the first candidate; where masks overlap the smaller one lies on top."""
    ids = np.zeros(shape, dtype=np.uint32)
    for number, candidate in sorted(enumerate(candidates, start=1), key=lambda pair: -pair[1].area):
        top, left, bottom, right = candidate.box
        ids[top:bottom, left:right][candidate.mask] = number
    return ids


def area_weighted_quality(candidates: Sequence[Candidate]) -> float:
    """Mean quality weighted by area, 0 without candidates."""
    areas = np.array([c.area for c in candidates], dtype=np.float64)
    qualities = np.array([c.quality for c in candidates], dtype=np.float64)
    return float(np.clip(np.average(qualities, weights=areas), 0, 1)) if areas.sum() > 0 else 0.0


def tile(seeds: Ids, grey: Grey, smallest: int) -> Ids:
    """Grow seeds until they fill the image; basins without a seed become grains of their own.

    Parameters
    ----------
    seeds : uint32 array (H, W)
        Cores of grains, 0 elsewhere.
    grey : uint8 array (H, W)
        The image; the growth stops at its edges.
    smallest : int
        Least area in pixels of an unclaimed region that is made a grain.
    """
    unclaimed = cv2.erode((seeds == 0).astype(np.uint8), np.ones((5, 5), np.uint8))
    rest = label(unclaimed, connectivity=1)
    large = np.bincount(rest.ravel()) >= smallest
    large[0] = False
    extra = np.where(large[rest], rest + int(seeds.max()), 0)
    markers = np.where(seeds > 0, seeds.astype(np.int64), extra)
    if not markers.any():
        return np.ones(seeds.shape, dtype=np.uint32)
    flooded = watershed(sobel(grey), markers.astype(np.int32))
    consecutive = np.unique(flooded, return_inverse=True)[1].reshape(seeds.shape)
    return np.asarray(consecutive + 1, dtype=np.uint32)


def boundary_network(instances: Ids) -> BoolMask:
    """One-pixel boundaries (H, W) between instances that tile the image; closed by construction."""
    return np.asarray(find_boundaries(instances, mode="inner", connectivity=1) & _first_of_pair(instances))


def _first_of_pair(instances: Ids) -> BoolMask:
    """Pixels whose right or lower neighbour is another instance: one side only, so that lines are one pixel wide."""
    first = np.zeros(instances.shape, dtype=np.bool_)
    first[:, :-1] |= instances[:, :-1] != instances[:, 1:]
    first[:-1] |= instances[:-1] != instances[1:]
    return first

"""Point prompts of MatSAM: key points of pre-segmented objects, and an adaptive grid for those missed.

MatSAM (Li et al. 2024), section 4.2: a rule-based pre-segmentation finds most objects, small regions are removed, and
the centroids of the rest are prompts. A grid compensates for missed objects; its density follows the number of objects,
and it is denser near the edges, where objects are cut off.
"""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, center_of_mass, maximum_position
from skimage.measure import label

from matcurate.segmentation.baselines import canny_edges
from matcurate.segmentation.denoising import Grey, otsu_foreground, separability
from matcurate.segmentation.matsam.edge_grid import CutObjects, cut_objects, edge_grid
from matcurate.segmentation.matsam.preset import MatSamPreset, RoiRule
from matcurate.segmentation.matsam.thresholds import foregrounds_at
from matcurate.segmentation.objects.instances import pieces
from matcurate.types import BoolMask, Side

Points: TypeAlias = NDArray[np.float64]

TWO_LEVELS = 0.7
"""Otsu's separability from which an image counts as made of two grey levels; one normal distribution has .64."""
EDGE_BAND = 0.125
"""Share of the height and of the width, on every side, where the grid is twice as dense."""


def prompt_points(grey: Grey, side: Side, preset: MatSamPreset) -> tuple[Points, int]:
    """Points (N, 2) as (x, y) in pixels, key points first, and how many are key points.

    ``grey`` (H, W) is the denoised micrograph, ``side`` that of the objects for the Otsu pre-segmentation. The preset
    bounds the points: of the pre-segmented regions the largest get key points, and the grid becomes coarser, down to
    its minimum. SAM's own generator has 1,024 prompts.
    """
    foreground = presegment(grey, side, preset.roi)
    smallest, thresholds = preset.smallest, preset.roi_thresholds
    keys = key_points(foreground, max(smallest, _area_of_rank(foreground, preset.prompts)))
    for other in foregrounds_at(grey, side, thresholds) if thresholds > 1 else ():
        keys = np.concatenate([keys, key_points(without_key(other, keys), smallest)])
    count = int(np.clip(round(preset.grid_per_object * len(keys)), *preset.grid_range))
    cut = cut_objects(foreground, smallest) if preset.grid_edges == "cut_objects" else None
    grid = _grid(grey, count, cut)
    room = max(preset.grid_range[0], preset.prompts - len(keys))
    if len(grid) > room:
        grid = _grid(grey, max(1, count * room // len(grid)), cut)
    return np.concatenate([keys, grid]), len(keys)


def _area_of_rank(foreground: BoolMask, rank: int) -> int:
    """Minimum area in pixels of the ``rank`` largest connected regions; 0 where there are no more than those."""
    areas = np.sort(np.bincount(label(foreground, connectivity=1).ravel())[1:])
    return int(areas[-rank - 1]) + 1 if len(areas) > rank else 0


def _grid(grey: Grey, count: int, cut: CutObjects | None) -> Points:
    shape = grey.shape[0], grey.shape[1]
    return grid_points(shape, count) if cut is None else edge_grid(shape, count, cut, EDGE_BAND)


def presegment(grey: Grey, side: Side, rule: RoiRule = "auto") -> BoolMask:
    """Rough foreground (H, W) by Otsu's threshold or by Canny edges.

    ``auto`` takes Otsu where the grey levels form two classes (separability at least ``TWO_LEVELS``), as two-phase
    images do; else Canny, whose edges part regions of nearly equal grey, as in polycrystals. The interior of closed
    edges is then the foreground.
    """
    if rule == "otsu" or (rule == "auto" and separability(grey, otsu_foreground(grey, "bright")) >= TWO_LEVELS):
        return otsu_foreground(grey, side)
    edges = cv2.morphologyEx(canny_edges(grey), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)).astype(np.bool_)
    return np.asarray(binary_fill_holes(edges) & ~edges)


def key_points(foreground: BoolMask, smallest: int) -> Points:
    """One point (x, y) inside every connected region (4 neighbours) of at least ``smallest`` pixels.

    The centroid where it lies inside the region; for rings and other concave shapes the pixel deepest inside.
    """
    regions = pieces(foreground, smallest)
    numbers = np.arange(1, regions.max() + 1)
    if not len(numbers):
        return np.empty((0, 2))
    rows, columns = np.rint(np.array(center_of_mass(regions > 0, regions, numbers))).astype(int).T
    points = np.stack([columns, rows], axis=1).astype(np.float64)
    outside = np.flatnonzero(regions[rows, columns] != numbers)
    if outside.size:
        kept = np.zeros(len(numbers) + 1, dtype=np.bool_)
        kept[numbers[outside]] = True
        places = np.nonzero(kept[regions])
        inside = np.pad(regions > 0, 1).astype(np.uint8)
        depth = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
        deepest = np.ravel(maximum_position(depth[places], regions[places], numbers[outside]))
        points[outside] = np.stack(places[::-1], axis=1)[deepest]
    return points


def without_key(foreground: BoolMask, keys: Points) -> BoolMask:
    """The connected regions (4 neighbours) of a foreground (H, W) that hold none of the points (x, y)."""
    regions = label(foreground, connectivity=1)
    columns, rows = keys.astype(int).T
    return np.asarray(foreground & ~np.isin(regions, regions[rows, columns]))


def grid_points(shape: tuple[int, int], count: int) -> Points:
    """Regular grid of about ``count`` points (x, y) over (H, W), with half the spacing near the edges."""
    height, width = shape
    step = max(2.0, float(np.sqrt(height * width / count)))
    ys, y_coarse, y_edge = _axis(height, step)
    xs, x_coarse, x_edge = _axis(width, step)
    kept = (y_coarse[:, None] & x_coarse) | y_edge[:, None] | x_edge
    rows, columns = np.nonzero(kept)
    return np.stack([xs[columns], ys[rows]], axis=1)


def _axis(length: int, step: float) -> tuple[Points, BoolMask, BoolMask]:
    """Positions at half the step, which of them belong to the coarse grid, and which lie in the edge bands."""
    halves = 2 * max(1, round(length / step))
    positions = (np.arange(halves) + 0.5) * length / halves
    coarse = np.arange(halves) % 2 == 0
    edge = (positions < EDGE_BAND * length) | (positions > (1 - EDGE_BAND) * length)
    return np.floor(positions), coarse, edge

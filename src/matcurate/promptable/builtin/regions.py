"""Regions between learned boundaries, how they are nested, and which of them are the phase."""

from __future__ import annotations

from dataclasses import dataclass

import higra as hg
import numpy as np
from numpy.typing import NDArray

from matcurate.promptable.hierarchy import Hierarchy, indexed
from matcurate.types import FloatArray

FAINT = 0.02
"""Regions that merge below this boundary strength are never told apart."""
OUTLINE = 0.5
"""Boundary probability from which a pixel does not count for the grey level of its region."""


@dataclass(frozen=True, slots=True, eq=False)
class Basins:
    """Watershed hierarchy by dynamics over a boundary probability.

    Parameters
    ----------
    hierarchy : Hierarchy
        Of all regions that merge above :data:`FAINT`.
    strength : float array (M,)
        Mean boundary probability along the outline of each node, less the dynamics at which its own parts merged,
        in [0, 1]; 0 for the root.
    labels : int32 array (H, W)
        The regions of a horizontal cut, 0 … n - 1.
    """

    hierarchy: Hierarchy
    strength: NDArray[np.float64]
    labels: NDArray[np.int32]


def basins(boundary: NDArray[np.float32], cut: float) -> Basins:
    """Hierarchy of a boundary probability (H, W) in [0, 1], cut where regions merge at a dynamics of ``cut``.

    An edge between two of the 4 neighbours is as strong as the stronger pixel. Cousty et al. 2018; Perret et al. 2019
    (higra).
    """
    height, width = boundary.shape
    graph = hg.get_4_adjacency_graph((height, width))
    edges = hg.weight_graph(graph, boundary.astype(np.float64), hg.WeightFunction.max)
    tree, altitudes = hg.watershed_hierarchy_by_dynamics(graph, edges)
    labels = hg.labelisation_horizontal_cut_from_threshold(tree, altitudes, cut)
    merging = altitudes[tree.parents()]
    dropped = (merging < FAINT) | (merging == altitudes)
    dropped[: tree.num_leaves()] = False
    dropped[-1] = False
    slim, kept = hg.simplify_tree(tree, dropped)
    # The frame of the image is no outline: a pixel has as many sides as neighbours.
    sides = np.bincount(np.concatenate(graph.edge_list()[:2]), minlength=height * width).astype(np.float64)
    strength = hg.attribute_contour_strength(slim, edges, sides, leaf_graph=graph)[slim.num_leaves() :]
    inner = altitudes[kept][slim.num_leaves() :]
    strength = np.clip(np.nan_to_num(strength) - inner, 0, 1)
    strength[-1] = 0
    return Basins(indexed(slim, (height, width)), strength, _numbered(labels.reshape(height, width)))


def region_levels(pixels: FloatArray, boundary: NDArray[np.float32], labels: NDArray[np.int32]) -> FloatArray:
    """Mean grey level of each region over its pixels off the boundaries, or over all where none is off.

    Parameters
    ----------
    pixels : float array (H, W)
        Grey values.
    boundary : float32 array (H, W)
        Boundary probability.
    labels : int array (H, W)
        Regions 0 … n - 1.

    Returns
    -------
    float array (n, 2)
        Level, and number of pixels it was taken from.
    """
    off = (boundary < OUTLINE).ravel().astype(np.float64)
    flat, grey = labels.ravel(), pixels.ravel().astype(np.float64)
    every = np.bincount(flat)
    count = np.bincount(flat, weights=off)
    inner = count > 0
    total = np.where(inner, np.bincount(flat, weights=off * grey), np.bincount(flat, weights=grey))
    count = np.where(inner, count, every)
    return np.stack([total / count, count], axis=1)


def weighted_otsu(levels: FloatArray, weights: FloatArray) -> float:
    """Threshold of ``levels`` (n,) that maximises the weighted variance between both sides (Otsu 1979).

    Halfway between the two levels that it separates; the level itself when all are equal.
    """
    order = np.argsort(levels)
    value, weight = levels[order], weights[order]
    below = np.cumsum(weight)[:-1]
    total, moment = weight.sum(), np.cumsum(weight * value)
    above = total - below
    gap = moment[-1] / total * below - moment[:-1]
    between = np.where(value[1:] > value[:-1], gap**2 / (below * above), -1.0)
    if not len(between) or between.max() < 0:
        return float(value[0])
    best = int(between.argmax())
    return float((value[best] + value[best + 1]) / 2)


def outline_strength(boundary: NDArray[np.float32], labels: NDArray[np.int32]) -> FloatArray:
    """Mean boundary probability (n,) along the outline of each region inside the image; 0 without any.

    Where two regions meet, the stronger of the two pixels counts, for both.
    """
    count = int(labels.max()) + 1
    total, length = np.zeros(count), np.zeros(count)
    for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        meet = labels[one] != labels[other]
        edge = np.maximum(boundary[one], boundary[other])[meet]
        for side in (labels[one][meet], labels[other][meet]):
            total += np.bincount(side, weights=edge, minlength=count)
            length += np.bincount(side, minlength=count)
    return np.asarray(total / np.maximum(length, 1), dtype=np.float64)


def _numbered(labels: NDArray[np.integer]) -> NDArray[np.int32]:
    ids: NDArray[np.intp] = np.unique(labels, return_inverse=True)[1]
    return np.asarray(ids.reshape(labels.shape), dtype=np.int32)

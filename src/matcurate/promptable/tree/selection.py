"""How clear the outlines of a hierarchy's regions are, and which regions are proposed."""

from __future__ import annotations

import higra as hg
import numpy as np
from numpy.typing import NDArray

from matcurate.promptable.hierarchy import Hierarchy, Nodes, build
from matcurate.promptable.tree.relief import Relief
from matcurate.promptable.tree.settings import TreeSettings

Clarity = NDArray[np.float64]

SHARPNESS = 4
"""Power of the steepness against the area where nested regions compete without a reference."""


def clarity(hierarchy: Hierarchy, levels: NDArray[np.int32], slope: Relief, settings: TreeSettings) -> Clarity:
    """Mean steepness along the outline of each node (M,), as a multiple of that of the typical region.

    The typical region is the mean, weighted by area and steepness, over the non-overlapping set with the
    largest sum of area x steepness^4, a choice that needs no reference. 0 for nodes that are no candidates: the
    root, those too small or too large.

    Parameters
    ----------
    hierarchy : Hierarchy
        Built on ``levels``.
    levels : int array (H, W)
        Grey levels of the hierarchy.
    slope : float32 array (H, W)
        Steepness of the image, >= 0.
    settings : TreeSettings
        ``min_area`` and ``max_share`` are used.
    """
    steep = _steep(hierarchy, levels, slope, settings)
    typical = best_disjoint(hierarchy, hierarchy.area * steep**SHARPNESS)
    if not len(typical):
        return np.zeros_like(steep)
    typically = np.average(steep[typical], weights=hierarchy.area[typical] * steep[typical])
    return np.asarray(steep / typically, dtype=np.float64)


def sharpness(levels: NDArray[np.int32], slope: Relief, settings: TreeSettings) -> float:
    """Largest sum of area x steepness^4 over non-overlapping regions of a relief (H, W): how well it shows them."""
    hierarchy = build(levels, settings.min_area)
    worth = hierarchy.area * _steep(hierarchy, levels, slope, settings) ** SHARPNESS
    return float(worth[best_disjoint(hierarchy, worth)].sum())


def _steep(
    hierarchy: Hierarchy, levels: NDArray[np.int32], slope: Relief, settings: TreeSettings
) -> NDArray[np.float64]:
    """Mean steepness along the outline of each node (M,), 0 for the root and those too small or too large."""
    largest = settings.max_share * hierarchy.area[hierarchy.root]
    allowed = (hierarchy.area >= settings.min_area) & (hierarchy.area <= largest)
    allowed[hierarchy.root] = False
    return np.where(allowed, outline_mean(hierarchy, levels, slope), 0.0)


def outline_mean(hierarchy: Hierarchy, levels: NDArray[np.int32], slope: Relief) -> NDArray[np.float64]:
    """Mean of ``slope`` over the outline of each node (M,): the pairs of neighbours it separates.

    The brighter of two neighbours lies in every node that holds the darker one. So the pair is on the outline
    of exactly those nodes that hold the brighter one alone, and adding its slope at the brighter pixel while
    taking it away at the darker one leaves, summed over a node's pixels, the sum over its outline.
    """
    strength = np.zeros(levels.shape)
    length = np.zeros(levels.shape)
    whole, lower, upper = slice(None), slice(None, -1), slice(1, None)
    for one, other in (((lower, whole), (upper, whole)), ((whole, lower), (whole, upper))):
        brighter = np.sign(levels[one] - levels[other])
        across = brighter * (slope[one] + slope[other]) / 2
        strength[one] += across
        strength[other] -= across
        length[one] += brighter
        length[other] -= brighter
    return np.asarray(hierarchy.total(strength) / np.maximum(hierarchy.total(length), 1), dtype=np.float64)


def best_disjoint(hierarchy: Hierarchy, worth: NDArray[np.float64]) -> Nodes:
    """Nodes of the non-overlapping set with the largest sum of ``worth`` (M,), all of positive worth.

    One pass up the tree (the best of a subtree is the node or the best of its children) and one down. Where
    both are equal the larger region is taken.
    """
    tree = hierarchy.tree
    pixels = tree.num_leaves()
    every = np.concatenate([np.zeros(pixels), worth])
    leaves = np.zeros(pixels)
    best = hg.accumulate_and_max_sequential(tree, every, leaves, hg.Accumulators.sum)
    taken = ((every >= best) & (every > 0)).astype(np.int64)
    covered = hg.propagate_sequential_and_accumulate(tree, taken, hg.Accumulators.max)
    taken = taken.astype(np.bool_)
    above = covered[tree.parents()].astype(np.bool_)
    above[-1] = False
    return np.flatnonzero((taken & ~above)[pixels:])

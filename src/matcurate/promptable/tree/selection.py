"""How stable the regions of a hierarchy are, and which of them are proposed."""

from __future__ import annotations

import higra as hg
import numpy as np
from numpy.typing import NDArray

from matcurate.promptable.tree.hierarchy import Hierarchy, Nodes
from matcurate.promptable.tree.settings import TreeSettings

Quality = NDArray[np.float64]


def stability(hierarchy: Hierarchy, drop: float, settings: TreeSettings) -> Quality:
    """Stability in [0, 1] of every node (M,); 0 for those that are no candidates.

    A region is stable when it hardly grows while the level sinks (Matas et al. 2004, MSER): with growth g =
    (area after - area) / area over ``drop`` levels, stability is 1 - g / max_growth.
    """
    after = hierarchy.area[hierarchy.ancestor_above(hierarchy.level - drop)]
    growth = after / hierarchy.area - 1
    largest = settings.max_share * hierarchy.area[hierarchy.root]
    allowed = (hierarchy.area >= settings.min_area) & (hierarchy.area <= largest)
    allowed[hierarchy.root] = False
    return np.where(allowed, np.clip(1 - growth / settings.max_growth, 0, 1), 0.0)


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


def on_paths(hierarchy: Hierarchy, quality: Quality, start: Nodes, stop: Nodes, settings: TreeSettings) -> Nodes:
    """Up to three nodes (B, 3) on each path from ``start`` (B,) towards the root, before ``stop`` (B,).

    The best of the path, then twice the best of those whose IoU with every one taken is at most
    ``settings.nesting``; -1 where there is none. Nodes of quality 0 are never taken.
    """
    steps = [start]
    while (steps[-1] < stop).any():
        steps.append(np.where(steps[-1] < stop, hierarchy.parent[steps[-1]], steps[-1]))
    path = np.stack(steps)
    value = np.where(path < stop, quality[path], 0.0)
    area = hierarchy.area[path]
    found = np.full((len(start), 3), -1, dtype=np.int64)
    prompts = np.arange(len(start))
    for rank in range(3):
        best = value.argmax(axis=0)
        good = value[best, prompts] > 0
        found[good, rank] = path[best, prompts][good]
        chosen = area[best, prompts]
        overlap = np.minimum(area, chosen) / np.maximum(area, chosen)
        value = np.where(overlap > settings.nesting, 0.0, value)
    return found

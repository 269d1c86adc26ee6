"""Regions of an image joined over their weak borders.

References
----------
B. Perret et al., "Higra: Hierarchical Graph Analysis", SoftwareX 10 (2019).
"""

from __future__ import annotations

import higra as hg
import numpy as np
from numpy.typing import NDArray

from matcurate.promptable.adjacency import adjacency, basins

Ids = NDArray[np.uint32]

FAR = 1e6
"""Strength of a border to id 0, which is never joined."""


def tiled(strength: NDArray[np.float32], least: float, smallest: int) -> Ids:
    """Partition an image along its strong borders into connected regions 1 … N (H, W): basins, then :func:`merged`.

    ``strength`` (H, W) is of a border that runs through a pixel; ``least`` is the mean strength of the borders that
    stay, and both regions beside one have at least ``smallest`` pixels.
    """
    if np.ptp(strength) == 0:
        return np.ones(strength.shape, dtype=np.uint32)
    return merged(basins(strength) + 1, strength, least, smallest)


def merged(parts: NDArray[np.integer], strength: NDArray[np.float32], least: float, smallest: int = 1) -> Ids:
    """Join neighbouring parts, the weakest border first, until each border's mean strength is at least ``least``.

    Average linkage: the strength of a border between joined parts is the mean over its whole length. ``parts`` (H, W)
    has ids 1, 2, …, none left out; 0 belongs to no part and stays. ``strength`` and ``smallest`` are as for
    :func:`tiled`.
    """
    first = int(parts.min())
    regions = parts.astype(np.int64) - first
    if not regions.any():
        return np.full(parts.shape, first > 0, dtype=np.uint32)
    graph, summed, length = adjacency(regions, strength)
    inside = np.arange(regions.max() + 1) + first > 0
    one, other = (np.asarray(ends) for ends in graph.edge_list()[:2])
    mean = np.where(inside[one] & inside[other], summed / length, FAR)
    tree, altitude = hg.binary_partition_tree_average_linkage(graph, mean, length)
    if smallest > 1:
        areas = np.where(inside, np.bincount(regions.ravel()), FAR)
        within = hg.accumulate_sequential(tree, areas.astype(np.float64), hg.Accumulators.sum)
        small = (hg.accumulate_parallel(tree, within, hg.Accumulators.min) < smallest) & (altitude < FAR / 2)
        tree, altitude = hg.filter_non_relevant_node_from_tree(tree, altitude, lambda _tree, _levels: small)
    joined = hg.labelisation_horizontal_cut_from_threshold(tree, altitude, least)
    numbers = np.zeros(len(joined), dtype=np.uint32)
    numbers[inside] = np.unique(joined[inside], return_inverse=True)[1] + 1
    return numbers[regions]

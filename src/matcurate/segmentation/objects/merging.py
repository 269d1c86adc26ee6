"""Regions of an image joined over their weak borders.

References
----------
B. Perret et al., "Higra: Hierarchical Graph Analysis", SoftwareX 10 (2019).
J. Cousty et al., "Watershed cuts", IEEE TPAMI 31 (2009).
"""

from __future__ import annotations

import higra as hg
import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.uint32]

FAR = 1e6
"""Strength of a border to what is no part."""


def tiled(strength: NDArray[np.float32], least: float, smallest: int) -> Ids:
    """Partition an image along its strong borders: basins of the border strength, joined as by :func:`merged`.

    Parameters
    ----------
    strength : float32 array (H, W)
        Of a border that runs through a pixel.
    least : float
        Mean strength of the borders that are kept.
    smallest : int
        Area in pixels that both regions beside a border must have.

    Returns
    -------
    uint32 array (H, W)
        Connected regions 1 … N; every pixel belongs to one.
    """
    if np.ptp(strength) == 0:
        return np.ones(strength.shape, dtype=np.uint32)
    graph = hg.get_4_adjacency_graph(strength.shape)
    edges = hg.weight_graph(graph, strength.astype(np.float64), hg.WeightFunction.max)
    return merged(hg.labelisation_watershed(graph, edges), strength, least, smallest)


def merged(parts: NDArray[np.integer], strength: NDArray[np.float32], least: float, smallest: int = 1) -> Ids:
    """Join neighbouring parts, the weakest border first, until each border's mean strength is at least ``least``.

    Average linkage: the strength of a border between joined parts is the mean over its whole length.

    Parameters
    ----------
    parts : int array (H, W)
        Ids 1 …; 0 belongs to no part and is joined with none.
    strength : float32 array (H, W)
        Of a border that runs through a pixel.
    least : float
        Mean strength of the borders that are kept.
    smallest : int
        Area in pixels that both regions beside a kept border must have.

    Returns
    -------
    uint32 array (H, W)
        Ids 1 … N, 0 where no part is.
    """
    graph = hg.get_4_adjacency_graph(parts.shape)
    borders = hg.weight_graph(graph, strength.astype(np.float64), hg.WeightFunction.max)
    outside = hg.weight_graph(graph, (parts == 0).astype(np.float64), hg.WeightFunction.max)
    regions = hg.make_region_adjacency_graph_from_labelisation(graph, parts.astype(np.int32))
    mean = hg.rag_accumulate_on_edges(regions, hg.Accumulators.mean, edge_weights=np.where(outside > 0, FAR, borders))
    if mean.size == 0:
        return np.asarray(parts > 0, dtype=np.uint32)
    length = hg.rag_accumulate_on_edges(regions, hg.Accumulators.sum, edge_weights=np.ones_like(borders))
    tree, altitude = hg.binary_partition_tree_average_linkage(regions, mean, length)
    if smallest > 1:
        areas = hg.rag_accumulate_on_vertices(
            regions, hg.Accumulators.sum, vertex_weights=np.where(parts > 0, 1.0, FAR)
        )
        within = hg.accumulate_sequential(tree, areas, hg.Accumulators.sum)
        small = (hg.accumulate_parallel(tree, within, hg.Accumulators.min) < smallest) & (altitude < FAR / 2)
        tree, altitude = hg.filter_non_relevant_node_from_tree(tree, altitude, lambda _tree, _levels: small)
    cut = hg.labelisation_horizontal_cut_from_threshold(tree, altitude, least)
    joined = hg.rag_back_project_vertex_weights(regions, cut)
    numbers = np.unique(np.where(parts > 0, joined, -1), return_inverse=True)[1].reshape(parts.shape)
    return np.asarray(numbers if (parts == 0).any() else numbers + 1, dtype=np.uint32)

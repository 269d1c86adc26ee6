"""Which regions of a partition touch, and how strong the border between them is."""

from __future__ import annotations

import higra as hg
import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]


def basins(strength: NDArray[np.floating]) -> NDArray[np.int64]:
    """Basins 0, 1, … (H, W) of a border strength (H, W): watershed cuts, every pixel in one.

    References
    ----------
    J. Cousty et al., "Watershed cuts", IEEE TPAMI 31 (2009).
    """
    grid = hg.get_4_adjacency_graph(strength.shape)
    edges = hg.weight_graph(grid, strength.astype(np.float64), hg.WeightFunction.max)
    numbers = np.asarray(hg.labelisation_watershed(grid, edges), dtype=np.int64)
    return numbers.reshape(strength.shape) - 1


def adjacency(regions: NDArray[np.int64], strength: NDArray[np.floating]) -> tuple[hg.UndirectedGraph, Column, Column]:
    """Graph of N regions that share E borders, with each border's summed strength (E,) and length (E,) in pixels.

    ``regions`` (H, W) has numbers 0 … N - 1, none left out; ``strength`` (H, W) is of a border that runs through a
    pixel, and of the stronger of two. higra makes the same from the graph of all pixels, which is slower: most pixels
    lie on no border.
    """
    count = int(regions.max()) + 1
    pairs, strengths = [], []
    for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        apart = regions[one] != regions[other]
        near, far = regions[one][apart], regions[other][apart]
        pairs.append(np.minimum(near, far) * count + np.maximum(near, far))
        strengths.append(np.maximum(strength[one][apart], strength[other][apart]))
    borders, place = np.unique(np.concatenate(pairs), return_inverse=True)
    graph = hg.UndirectedGraph(count)
    graph.add_edges(borders // count, borders % count)
    summed = np.bincount(place, np.concatenate(strengths), len(borders)).astype(np.float64)
    return graph, summed, np.bincount(place, minlength=len(borders)).astype(np.float64)

"""The nested regions of an image: between learned boundaries, and above and below every grey level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import higra as hg
import numpy as np
from numpy.typing import NDArray

from matcurate.promptable.builtin.edges import Between
from matcurate.promptable.hierarchy import Hierarchy, Nodes, build, indexed

Origin = Literal["boundary", "seams", "bright", "dark"]
Column = NDArray[np.float64]
LEVELS = (*np.linspace(0.05, 0.95, 19), np.inf)
"""Boundary strengths up to which regions are joined before the strengths are taken anew."""
ORIGINS: tuple[Origin, ...] = ("boundary", "seams", "bright", "dark")


@dataclass(frozen=True, slots=True, eq=False)
class Nested:
    """A hierarchy, and where in it neighbours come together.

    Parameters
    ----------
    hierarchy : Hierarchy
        Of M regions.
    right : int array (H, W - 1)
        Smallest region that holds both a pixel and the one on its right.
    below : int array (H - 1, W)
        The same for the pixel below.
    origin : {"boundary", "seams", "bright", "dark"}
        What the regions were made from.
    """

    hierarchy: Hierarchy
    right: Nodes
    below: Nodes
    origin: Origin


def between_boundaries(parted: Between, graph: hg.UndirectedGraph) -> Nested:
    """Regions that weak boundaries part, joined in the order of the mean strength of the boundary between them.

    Watershed basins of the edges (Cousty et al. 2009) and a hierarchy over them in the way of the ultrametric contour
    map of Arbeláez et al. 2011, on learned boundaries. An image of at least two pixels, and the graph of its 4
    neighbours.
    """
    height, width = parted.shape
    pixels = height * width
    weights = parted.ordered()
    basins = hg.labelisation_watershed(graph, weights).ravel()
    basins = basins - basins.min()
    adjacency = hg.make_region_adjacency_graph_from_labelisation(graph, basins.reshape(height, width))
    above = linked(adjacency, *_mean_and_length(adjacency, weights, np.ones_like(weights)))
    merged = hg.Tree(above)
    merged.lowest_common_ancestor_preprocess()
    meeting = np.append(merged.lowest_common_ancestor(*adjacency.edge_list()[:2]), 0)
    shared = hg.CptRegionAdjacencyGraph.construct(adjacency)["edge_map"]
    one = basins.reshape(height, width)
    within = Between(one[:, :-1], one[:-1]).ordered()
    together = Between.from_ordered(np.where(shared < 0, within, meeting[shared]), (height, width))
    tree = hg.Tree(np.concatenate([basins, above]) + pixels)
    right, below = (side.astype(np.int64) for side in (together.right, together.below))
    return Nested(indexed(tree, (height, width)), right, below, "boundary")


def linked(adjacency: hg.UndirectedGraph, mean: Column, length: Column) -> Nodes:
    """Parents (2 n - 1,) of n regions and of what they are joined to, two at a time.

    Average linkage (as in the ultrametric contour map of Arbeláez et al. 2011), in rounds: up to each of
    :data:`LEVELS` the weakest boundary goes first, and after it the mean strength of every boundary that is left is
    taken anew, weighted by length. A heap that does so after every single merge costs ten times as much where one
    matrix has thousands of neighbours.

    Parameters
    ----------
    adjacency : higra.UndirectedGraph
        Of n connected vertices.
    mean : float array (E,)
        Strength of each edge.
    length : float array (E,)
        Weight of each edge.
    """
    count = adjacency.num_vertices()
    above = np.arange(2 * count - 1)
    numbers, following = np.arange(count), count
    for level in LEVELS:
        if len(numbers) == 1:
            break
        tree, strength = hg.bpt_canonical(adjacency, mean)
        parents, leaves = tree.parents(), len(numbers)
        new = np.count_nonzero(strength[leaves:] <= level)
        if not new:
            continue
        every = np.concatenate([numbers, following + np.arange(new)])
        following += new
        inner = (parents < leaves + new) & (parents > np.arange(len(parents)))
        inner[leaves + new :] = False
        below = np.flatnonzero(inner)
        above[every[below]] = every[parents[below]]
        top = hg.propagate_sequential(tree, np.arange(len(parents)), inner)[:leaves]
        tops, label = np.unique(top, return_inverse=True)
        smaller = hg.make_region_adjacency_graph_from_labelisation(adjacency, label)
        numbers = np.empty(len(tops), dtype=np.int64)
        numbers[hg.CptRegionAdjacencyGraph.construct(smaller)["vertex_map"]] = every[top]
        mean, length = _mean_and_length(smaller, mean, length)
        adjacency = smaller
    return above


def _mean_and_length(adjacency: hg.UndirectedGraph, strength: Column, length: Column) -> tuple[Column, Column]:
    """Mean strength, weighted by length, and total length of the edges that became one."""
    total = hg.rag_accumulate_on_edges(adjacency, hg.Accumulators.sum, edge_weights=length)
    sums = hg.rag_accumulate_on_edges(adjacency, hg.Accumulators.sum, edge_weights=length * strength)
    return sums / total, total


def of_grey_levels(levels: NDArray[np.int32], min_area: int, origin: Origin) -> Nested:
    """Regions above every threshold of ``levels`` (H, W), at least ``min_area`` pixels large.

    Two neighbours lie together in every region that holds the darker of both.
    """
    hierarchy = build(levels, min_area)
    home = hierarchy.home.reshape(levels.shape)
    right = np.where(levels[:, :-1] <= levels[:, 1:], home[:, :-1], home[:, 1:])
    below = np.where(levels[:-1] <= levels[1:], home[:-1], home[1:])
    return Nested(hierarchy, right, below, origin)

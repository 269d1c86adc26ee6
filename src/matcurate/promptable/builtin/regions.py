"""All nested regions between the borders that the network sees, and measurements of each.

References
----------
P. Arbeláez, M. Maire, C. Fowlkes, J. Malik, "Contour detection and hierarchical image segmentation", TPAMI 33 (2011).
B. Perret et al., "Higra: Hierarchical Graph Analysis", SoftwareX 10 (2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import higra as hg
import numpy as np
from numpy.typing import NDArray

from matcurate.promptable.adjacency import Column, adjacency, basins
from matcurate.promptable.builtin.maps import ObjectMaps
from matcurate.promptable.hierarchy import Hierarchy, indexed

LEVELS = 64
"""Number of different border strengths; more would only make more basins."""
MEASURES = (
    "log_area",
    "log_share",
    "outline",
    "own_altitude",
    "parent_altitude",
    "foreground",
    "undecided",
    "decided",
    "parent_foreground",
    "compactness",
    "distance",
    "contact",
    "frame",
    "log_parent",
)
"""Names of the columns of :attr:`Regions.measured`."""


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """Nested regions of an image, and what is measured of them.

    The smallest are basins of the border strength, joined two at a time in the order of the mean strength of the border
    between them (average linkage). ``measured`` (M, D) has the columns :data:`MEASURES`.
    """

    hierarchy: Hierarchy
    measured: NDArray[np.float32]


def regions_of(maps: ObjectMaps) -> Regions:
    """Nested regions of an image of at least two pixels."""
    strength = np.rint(maps.border_strength() * LEVELS) / LEVELS
    basin = basins(strength)
    if not basin.any():
        return _single(maps)
    graph, summed, length = adjacency(basin, strength)
    tree, altitude = hg.binary_partition_tree_average_linkage(graph, summed / length, length)
    parents = np.asarray(tree.parents(), dtype=np.int64)
    hierarchy = indexed(hg.Tree(np.concatenate([basin.ravel(), parents]) + basin.size), maps.shape)
    return Regions(hierarchy, _measured(hierarchy, maps, graph, tree, altitude, summed, length))


def _single(maps: ObjectMaps) -> Regions:
    """The whole image as the only region."""
    pixels = maps.shape[0] * maps.shape[1]
    tree = hg.Tree(np.full(pixels + 1, pixels, dtype=np.int64))
    return Regions(indexed(tree, maps.shape), np.zeros((1, len(MEASURES)), dtype=np.float32))


def _measured(
    hierarchy: Hierarchy,
    maps: ObjectMaps,
    graph: hg.UndirectedGraph,
    tree: hg.Tree,
    altitude: Column,
    summed: Column,
    length: Column,
) -> NDArray[np.float32]:
    area = hierarchy.area.astype(np.float64)
    perimeter, outline = _around(graph, tree, length), _around(graph, tree, summed)
    mean = {
        name: hierarchy.total(values.astype(np.float64)) / area
        for name, values in (
            ("foreground", maps.foreground),
            ("undecided", maps.foreground * (1 - maps.foreground)),
            ("decided", (maps.foreground > 0.5)),
            ("distance", maps.distance),
            ("contact", maps.contact),
        )
    }
    frame = hierarchy.total(_frame(maps.shape))
    columns = {
        **mean,
        "log_area": np.log(area),
        "log_share": np.log(area / area[-1]),
        "outline": outline / np.maximum(perimeter, 1),
        "own_altitude": altitude,
        "parent_altitude": altitude[hierarchy.parent],
        "parent_foreground": mean["foreground"][hierarchy.parent],
        "compactness": np.minimum(4 * np.pi * area / np.maximum(perimeter + frame, 1) ** 2, 1.2),
        "frame": frame / np.maximum(perimeter + frame, 1),
        "log_parent": np.log(area[hierarchy.parent] / area),
    }
    return np.stack([columns[name] for name in MEASURES], axis=1).astype(np.float32)


def _around(graph: hg.UndirectedGraph, tree: hg.Tree, values: Column) -> Column:
    """Sum of the values of the edges (E,) between each region (M,) and what is not part of it."""
    one, other = (np.asarray(ends) for ends in graph.edge_list()[:2])
    count = tree.num_vertices()
    touching = np.bincount(one, values, count) + np.bincount(other, values, count)
    tree.lowest_common_ancestor_preprocess()
    inner = np.bincount(np.asarray(tree.lowest_common_ancestor(one, other)), values, count)
    own = touching - 2 * inner
    leaves = tree.num_leaves()
    summed = hg.accumulate_and_add_sequential(tree, own, own[:leaves].copy(), hg.Accumulators.sum)
    return np.asarray(summed, dtype=np.float64)


def _frame(shape: tuple[int, int]) -> Column:
    """Number of sides (H, W) of each pixel that are the edge of the image."""
    sides = np.zeros(shape)
    sides[0] += 1
    sides[-1] += 1
    sides[:, 0] += 1
    sides[:, -1] += 1
    return sides

"""The nested regions of an image: between learned boundaries, and above and below every grey level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import higra as hg
import numpy as np
from numpy.typing import NDArray

from matcurate.promptable.builtin.basins import Borders, basins_of
from matcurate.promptable.builtin.edges import Between
from matcurate.promptable.hierarchy import Hierarchy, Nodes, build, indexed

Origin = Literal["boundary", "seams", "bright", "dark"]
HARDLY = 0.1
"""Mean boundary strength up to which two basins are one."""
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


def between_boundaries(parted: Between) -> Nested:
    """Regions that weak boundaries part, joined in the order of the mean strength of the boundary between them.

    Basins of the edges (Cousty et al. 2009), those with hardly a boundary between them as one, and a hierarchy over
    them in the way of the ultrametric contour map of Arbeláez et al. 2011, on learned boundaries. An image of at least
    two pixels.
    """
    height, width = parted.shape
    basins = basins_of(parted)
    sides = ((basins[:, :-1], basins[:, 1:], parted.right), (basins[:-1], basins[1:], parted.below))
    apart = [one != other for one, other, _ in sides]
    ends, strength = (
        np.concatenate([part[where] for part, where in zip(parts, apart, strict=True)])
        for parts in (
            (np.stack([one, other], axis=2) for one, other, _ in sides),
            (values for _, _, values in sides),
        )
    )
    borders, which = Borders.gathered(ends, strength, np.ones(len(ends)), int(basins.max()) + 1)
    alike = borders.within(HARDLY)
    cells = int(alike.max()) + 1
    above = linked(borders.joined(alike, cells))
    merged = hg.Tree(above)
    merged.lowest_common_ancestor_preprocess()
    one, other = alike[borders.ends].T
    meeting = np.asarray(merged.lowest_common_ancestor(one, other), dtype=np.int64)[which]
    basins = alike[basins]
    right, below = basins[:, :-1].copy(), basins[:-1].copy()
    right[apart[0]], below[apart[1]] = np.split(meeting, [np.count_nonzero(apart[0])])
    tree = hg.Tree(np.concatenate([basins.ravel(), above]) + height * width)
    return Nested(indexed(tree, (height, width)), right, below, "boundary")


def linked(borders: Borders) -> Nodes:
    """Parents (2 n - 1,) of n regions, all connected, and of what they are joined to, two at a time.

    Average linkage (as in the ultrametric contour map of Arbeláez et al. 2011), in rounds: up to each of
    :data:`LEVELS` the weakest boundary goes first, and after it the mean strength of every boundary that is left is
    taken anew, weighted by length. A heap that does so after every single merge costs ten times as much where one
    matrix has thousands of neighbours.
    """
    following = borders.count
    above, numbers = np.arange(2 * following - 1), np.arange(following)
    for level in LEVELS:
        if not (borders.mean <= level).any():
            continue
        parents, top = _weakest_first(borders, level)
        new = len(parents) - borders.count
        every = np.concatenate([numbers, following + np.arange(new)])
        following += new
        below = np.flatnonzero(parents >= 0)
        above[every[below]] = every[parents[below]]
        tops, together = np.unique(top, return_inverse=True)
        numbers = every[tops]
        borders = borders.joined(together, len(tops))
    return above


def _weakest_first(borders: Borders, level: float) -> tuple[Nodes, Nodes]:
    """Join n regions over borders of a mean strength up to ``level``, the weakest first.

    Returns
    -------
    parents : int array (n + K,)
        Of the regions and of the K that two became, in order of making; -1 where nothing holds one.
    top : int array (n,)
        Number among them of the largest that holds each region.
    """
    count, weak = borders.count, borders.mean <= level
    parts = borders.within(level)
    touched = np.unique(borders.ends[weak])
    ends = np.searchsorted(touched, borders.ends[weak])
    # Trees are made of what is connected: the parts are chained behind everything, and the chain is cut again.
    chain = np.unique(parts[touched], return_index=True)[1]
    graph = hg.UndirectedGraph(len(touched))
    graph.add_edges(*ends.T)
    graph.add_edges(chain[:-1], chain[1:])
    strength = np.concatenate([borders.mean[weak], np.full(len(chain) - 1, np.inf)])
    tree, _ = hg.bpt_canonical(graph, strength)
    made = len(touched) - len(chain)
    numbers = np.concatenate([touched, count + np.arange(made)])
    joined = tree.parents()[: len(numbers)]
    held = joined < len(numbers)
    parents = np.full(count + made, -1)
    parents[numbers[held]] = numbers[joined[held]]
    top = np.arange(count)
    inner = np.zeros(tree.num_vertices(), dtype=np.bool_)
    inner[: len(numbers)] = held
    top[touched] = numbers[hg.propagate_sequential(tree, np.arange(len(inner)), inner)[: len(touched)]]
    return parents, top


def of_grey_levels(levels: NDArray[np.int32], min_area: int, origin: Origin) -> Nested:
    """Regions above every threshold of ``levels`` (H, W), at least ``min_area`` pixels large.

    Two neighbours lie together in every region that holds the darker of both.
    """
    hierarchy = build(levels, min_area)
    home = hierarchy.home.reshape(levels.shape)
    right = np.where(levels[:, :-1] <= levels[:, 1:], home[:, :-1], home[:, 1:])
    below = np.where(levels[:-1] <= levels[1:], home[:-1], home[1:])
    return Nested(hierarchy, right, below, origin)

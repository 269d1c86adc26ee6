"""Basins of an image between learned boundaries, and the borders where two regions meet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from matcurate.promptable.builtin.edges import Between

Numbers = NDArray[np.int64]
Column = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Borders:
    """Where regions 0 … N - 1 meet.

    Parameters
    ----------
    count : int
        Number N of regions.
    ends : int array (E, 2)
        Two regions that meet, the lower number first; each pair once.
    mean : float array (E,)
        Mean strength of the boundary between them.
    length : float array (E,)
        In pairs of neighbouring pixels.
    """

    count: int
    ends: Numbers
    mean: Column
    length: Column

    @classmethod
    def gathered(cls, ends: Numbers, strength: Column, length: Column, count: int) -> tuple[Borders, Numbers]:
        """One row for each two regions, and to which of them each of the given rows belongs."""
        low, high = np.minimum(*ends.T), np.maximum(*ends.T)
        codes, which = np.unique(low * count + high, return_inverse=True)
        total = np.asarray(np.bincount(which, length, len(codes)), dtype=np.float64)
        mean = np.bincount(which, length * strength, len(codes)) / np.maximum(total, 1e-300)
        return cls(count, np.stack([codes // max(count, 1), codes % max(count, 1)], axis=1), mean, total), which

    def joined(self, together: Numbers, count: int) -> Borders:
        """The same after each region got a new number, 0 … ``count`` - 1: borders inside are gone, others are one."""
        ends = together[self.ends]
        apart = ends[:, 0] != ends[:, 1]
        return Borders.gathered(ends[apart], self.mean[apart], self.length[apart], count)[0]

    def within(self, level: float) -> Numbers:
        """New numbers (N,) after joining everything over borders of a mean strength up to ``level``."""
        first, second = self.ends[self.mean <= level].T
        graph = coo_array((np.ones(len(first), dtype=np.int8), (first, second)), shape=(self.count, self.count))
        return np.asarray(connected_components(graph.tocsr(), directed=False)[1], dtype=np.int64)


def basins_of(parted: Between) -> Numbers:
    """Basins (H, W) of the strength between pixels, numbered from 0.

    Every pixel goes with the neighbour that it is parted from least, and so on downwards: the drop of water of Cousty
    et al. 2009, whose basins are the cuts of least total strength. Of equal neighbours the first counts, in an order
    of pairs that is the same for all, so that no pixel comes back to itself over others.
    """
    height, width = parted.shape
    least = np.full((height, width), np.inf, dtype=np.float64)
    towards = np.arange(height * width, dtype=np.int64).reshape(height, width)
    own = towards.copy()
    sides = (
        (np.s_[1:], parted.below, -width),
        (np.s_[:, 1:], parted.right, -1),
        (np.s_[:, :-1], parted.right, 1),
        (np.s_[:-1], parted.below, width),
    )
    for here, strength, step in sides:
        lower = strength < least[here]
        np.copyto(least[here], strength, where=lower)
        np.copyto(towards[here], own[here] + step, where=lower)
    return _followed(towards.ravel()).reshape(height, width)


def _followed(towards: Numbers) -> Numbers:
    """Number (n,) of the end of each of n paths of which one step is given; they end in two that lead to each other."""
    own = np.arange(len(towards))
    towards = np.where((towards[towards] == own) & (own < towards), own, towards)
    while not np.array_equal(further := towards[towards], towards):
        towards = further
    numbers = np.cumsum(towards == own) - 1
    return np.asarray(numbers[towards], dtype=np.int64)

"""Nested regions of an image, and how to find those that hold a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import higra as hg
import numpy as np
from numpy.typing import NDArray

from matcurate.types import BoolMask

Nodes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """Nested regions of an image (H, W), children before parents, the root last.

    The leaves of ``tree`` are the H * W pixels in row-major order; node ``k`` of this class is vertex ``H * W + k``.
    For each node (M,): ``parent`` contains it, the root itself; ``area`` is its pixels; it holds the pixels
    ``order[first[k] : first[k] + area[k]]``. For each pixel (H * W,): ``home`` is the smallest node that holds it;
    ``order`` are the row-major numbers, sorted so that every node is one run.
    """

    shape: tuple[int, int]
    tree: hg.Tree
    parent: Nodes
    area: Nodes
    home: Nodes
    first: Nodes
    order: Nodes

    @property
    def root(self) -> int:
        """The node that holds every pixel."""
        return len(self.parent) - 1

    def total(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum of ``values`` (H, W) over the pixels of each node (M,)."""
        order, place, end = self._descent
        own = np.bincount(self.home, values.ravel(), len(self.parent)).astype(np.float64, copy=False)
        running = np.concatenate([[0.0], np.cumsum(own[order])])
        return np.asarray(running[end] - running[place], dtype=np.float64)

    @cached_property
    def _descent(self) -> tuple[Nodes, Nodes, Nodes]:
        """The nodes, each before what it holds and after what holds it; their places there; where their runs end."""
        count = len(self.parent)
        # What begins at the same pixel is nested: the larger number holds the smaller one.
        order = np.argsort(self.first * count + (count - 1 - np.arange(count)))
        place = np.empty_like(order)
        place[order] = np.arange(count)
        return order, place, np.searchsorted(self.first[order], self.first + self.area)

    def meeting(self, a: Nodes, b: Nodes) -> Nodes:
        """Smallest node that contains both ``a`` and ``b``, elementwise."""
        a, b = np.broadcast_arrays(a, b)
        while (apart := a != b).any():
            # The smaller number is never an ancestor of the larger one, so it is the one to climb.
            a = np.where(apart & (a < b), self.parent[a], a)
            b = np.where(apart & (b < a), self.parent[b], b)
        return a

    @cached_property
    def boxes(self) -> NDArray[np.int64]:
        """Bounding box (4, M) of each node: top, left, bottom, right, the last two exclusive."""
        rows, columns = np.divmod(np.arange(len(self.home)), self.shape[1])
        least, most = hg.Accumulators.min, hg.Accumulators.max
        sides = ((rows, least), (columns, least), (rows + 1, most), (columns + 1, most))
        edges = [hg.accumulate_sequential(self.tree, place, side)[len(self.home) :] for place, side in sides]
        return np.stack(edges).astype(np.int64)

    def mask(self, node: int) -> tuple[int, int, BoolMask]:
        """Top, left, and the region inside its bounding box."""
        top, left, bottom, right = self.boxes[:, node].tolist()
        held = self.order[self.first[node] : self.first[node] + self.area[node]]
        strip = np.zeros((bottom - top) * self.shape[1], dtype=np.bool_)
        strip[held - top * self.shape[1]] = True
        return top, left, strip.reshape(bottom - top, -1)[:, left:right].copy()


def indexed(tree: hg.Tree, shape: tuple[int, int]) -> Hierarchy:
    """Number the pixels of a tree over (H, W) so that every node holds one run of them."""
    pixels = tree.num_leaves()
    parents = tree.parents().astype(np.int64) - pixels
    area = hg.attribute_area(tree).astype(np.int64)
    # A node's pixels are one run: first its own, then those of its children, one child after the other.
    own = np.bincount(parents[:pixels], minlength=len(parents) - pixels)
    parent, area = parents[pixels:], area[pixels:]
    by_parent = np.argsort(parent[:-1], kind="stable")
    before = np.cumsum(area[by_parent]) - area[by_parent]
    family = parent[by_parent]
    leads = np.searchsorted(family, family)
    offset = np.zeros(len(parent), dtype=np.int64)
    offset[by_parent] = before - before[leads] + own[family]
    offsets = np.concatenate([np.zeros(pixels, dtype=np.int64), offset])
    first = hg.propagate_sequential_and_accumulate(tree, offsets, hg.Accumulators.sum)[pixels:]
    home = parents[:pixels]
    # Sorting numbers is several times faster than sorting by them, and every pixel has one of its own.
    order = np.sort(first[home] * pixels + np.arange(pixels)) % pixels
    return Hierarchy(shape, tree, parent, area, home, first, order)

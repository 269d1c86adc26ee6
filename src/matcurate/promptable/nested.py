"""Answers to point prompts from a hierarchy of regions: the best regions on the path from the points to the root."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial

import higra as hg
import numpy as np
from numpy.typing import NDArray

from matcurate.promptable.hierarchy import Hierarchy, Nodes
from matcurate.promptable.prompts import BACKGROUND, FOREGROUND
from matcurate.promptable.protocol import PointLabels
from matcurate.types import Candidate

FITTING = 0.3
"""Minimum IoU of a region's bounding box with the box of a prompt."""
MOST = 3
"""Maximum number of answers to one prompt."""
CHUNK = 2048
"""Prompts answered together; bounds the memory of their paths."""


@dataclass(frozen=True, eq=False)
class NestedRegions:
    """A hierarchy of M nodes, how good each of its regions is, and the candidates made so far.

    ``score`` (M,), higher is better, is 0 for nodes that are no answers; answers are above ``min_answer``, and
    ``quality`` turns their score into a predicted IoU in [0, 1]. ``nesting`` is the largest IoU of two answers to one
    prompt. ``boxed`` predicts the IoU (n,) of nodes (n,) with the object in a box, from how their own boxes fit it
    (n,); without it, it follows from their quality and the fit.
    """

    hierarchy: Hierarchy
    score: NDArray[np.float64]
    quality: Callable[[float], float]
    min_answer: float
    nesting: float
    boxed: Callable[[Nodes, NDArray[np.float64]], NDArray[np.float64]] | None = None
    made: dict[int, Candidate] = field(default_factory=dict)

    def candidate(self, node: int) -> Candidate:
        """Region of a node, made once, since many prompts share it."""
        if node not in self.made:
            top, left, mask = self.hierarchy.mask(node)
            self.made[node] = Candidate(top, left, mask, self.quality(float(self.score[node])))
        return self.made[node]

    def candidates(self, nodes: Nodes) -> tuple[Candidate, ...]:
        """Regions of one prompt's answer (3,), smallest first; -1 is none."""
        return tuple(self.candidate(int(node)) for node in np.sort(nodes) if node >= 0)

    def answers(self, pixels: Nodes, labels: PointLabels, most: int = MOST, nesting: float | None = None) -> Nodes:
        """Up to ``most`` nodes (B, most) for prompts given by pixel numbers and labels (B, N); -1 for none.

        Of the regions that hold every foreground point and no background point: the best, then repeatedly the best of
        those whose IoU with every one taken is at most ``nesting``, the hierarchy's own unless given.
        """
        apart = self.nesting if nesting is None else nesting
        nodes = np.empty((len(pixels), most), dtype=np.int64)
        for first in range(0, len(pixels), CHUNK):
            part = slice(first, first + CHUNK)
            nodes[part] = self._best_on(*self._paths(pixels[part], labels[part]), most, apart)
        return nodes

    def fitting(self, boxes: NDArray[np.float64]) -> tuple[Nodes, NDArray[np.float64]]:
        """Up to three nodes (B, 3) for boxes (B, 4), and how good they are (B, 3); -1 and 0 for none.

        Boxes are (top, left, bottom, right). Of the regions whose own bounding box overlaps the box by an IoU of at
        least :data:`FITTING`, those with the best expected overlap, without those that overlap a better one by more
        than ``nesting``.
        """
        tree = self.hierarchy
        answering = np.flatnonzero(self.score > self.min_answer)
        own = tree.boxes[:, answering].astype(np.float64)
        best, values = np.full((len(boxes), 3), -1, dtype=np.int64), np.zeros((len(boxes), 3))
        for number, box in enumerate(boxes):
            fit = box_iou(own, box)
            near = np.flatnonzero(fit >= FITTING)
            quality = self.boxed(answering[near], fit[near]) if self.boxed else self._boxed(answering[near], fit[near])
            nodes = answering[near]
            chosen = best_apart(quality, partial(self._overlap_at, nodes), self.nesting)
            best[number, : len(chosen)], values[number, : len(chosen)] = nodes[chosen], quality[chosen]
        return best, values

    def _boxed(self, nodes: Nodes, fit: NDArray[np.float64]) -> NDArray[np.float64]:
        """Geometric mean of the nodes' quality and of the fourth power of how their boxes fit."""
        quality = np.array([self.quality(float(score)) for score in self.score[nodes]])
        return np.sqrt(quality * fit**4)

    def _overlap_at(self, nodes: Nodes, one: int, other: int) -> float:
        """IoU of the nodes at two places of ``nodes`` (n,)."""
        return self.overlap(int(nodes[one]), int(nodes[other]))

    def overlap(self, one: int, other: int) -> float:
        """IoU of two nodes: of areas where one holds the other, else none."""
        tree = self.hierarchy
        inner, outer = sorted((one, other))
        held = tree.first[outer] <= tree.first[inner] < tree.first[outer] + tree.area[outer]
        return float(tree.area[inner] / tree.area[outer]) if held else 0.0

    def _paths(self, pixels: Nodes, labels: PointLabels) -> tuple[Nodes, Nodes]:
        """First node (B,) of each prompt's path towards the root, and the node (B,) before which it ends."""
        tree = self.hierarchy
        homes = tree.home[pixels]
        wanted = labels == FOREGROUND
        start = homes[np.arange(len(homes)), wanted.argmax(axis=1)]
        for place, given in zip(homes.T, wanted.T, strict=True):
            start = np.where(given, tree.meeting(start, place), start)
        # From the node where a background point joins the path on, every node holds that point.
        stop = np.where(wanted.any(axis=1), tree.root, start)
        for place, refused in zip(homes.T, (labels == BACKGROUND).T, strict=True):
            stop = np.where(refused, np.minimum(stop, tree.meeting(start, place)), stop)
        return start, stop

    @cached_property
    def _answering(self) -> Nodes:
        """Smallest node (M,) that holds a node, or is it, and may be an answer; the root where none may."""
        tree = self.hierarchy.tree
        passed = np.ones(tree.num_vertices(), dtype=np.bool_)
        passed[tree.num_leaves() :] = self.score <= self.min_answer
        passed[-1] = False
        numbers = np.arange(len(passed)) - tree.num_leaves()
        return np.asarray(hg.propagate_sequential(tree, numbers, passed)[tree.num_leaves() :], dtype=np.int64)

    def _best_on(self, start: Nodes, stop: Nodes, most: int, nesting: float) -> Nodes:
        """Answers (B, most) on the paths from ``start`` (B,) towards the root, before ``stop`` (B,)."""
        steps = [self._answering[start]]
        above = self._answering[self.hierarchy.parent]
        while (steps[-1] < stop).any():
            steps.append(np.where(steps[-1] < stop, above[steps[-1]], steps[-1]))
        path = np.stack(steps)
        value = np.where((path < stop) & (self.score[path] > self.min_answer), self.score[path], 0.0)
        area = self.hierarchy.area[path]
        answers = np.full((len(start), most), -1, dtype=np.int64)
        prompts = np.arange(len(start))
        for rank in range(most):
            best = value.argmax(axis=0)
            good = value[best, prompts] > 0
            answers[good, rank] = path[best, prompts][good]
            chosen = area[best, prompts]
            overlap = np.minimum(area, chosen) / np.maximum(area, chosen)
            value = np.where(overlap > nesting, 0.0, value)
        return answers


def best_apart(quality: NDArray[np.float64], overlap: Callable[[int, int], float], nesting: float) -> list[int]:
    """Places of the three best of ``quality`` (n,), best first, none of which overlaps a better one too much.

    ``overlap`` gives the IoU of what stands at two places; above ``nesting`` is too much.
    """
    taken: list[int] = []
    for place in np.argsort(-quality, kind="stable").tolist():
        if all(overlap(place, other) <= nesting for other in taken):
            taken.append(place)
        if len(taken) == MOST:
            break
    return taken


def box_iou(boxes: NDArray[np.float64], box: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union (n,) of boxes (4, n) with one (4,): top, left, bottom, right."""
    top, left = np.maximum(boxes[0], box[0]), np.maximum(boxes[1], box[1])
    bottom, right = np.minimum(boxes[2], box[2]), np.minimum(boxes[3], box[3])
    shared = np.clip(bottom - top, 0, None) * np.clip(right - left, 0, None)
    areas = (boxes[2] - boxes[0]) * (boxes[3] - boxes[1]) + (box[2] - box[0]) * (box[3] - box[1])
    return np.asarray(shared / np.maximum(areas - shared, 1e-12), dtype=np.float64)

"""Answers to point prompts from a hierarchy of regions: the best regions on the path from the points to the root."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

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

    ``score`` (M,) is the predicted IoU in [0, 1], 0 for nodes that are no answers; answers are above ``min_answer``.
    ``nesting`` is the largest IoU of two answers to one prompt. ``boxed`` predicts the IoU (n,) of nodes (n,) with the
    object in a box, from how their own boxes fit it (n,).
    """

    hierarchy: Hierarchy
    score: NDArray[np.float64]
    min_answer: float
    nesting: float
    boxed: Callable[[Nodes, NDArray[np.float64]], NDArray[np.float64]]
    made: dict[int, Candidate] = field(default_factory=dict)

    def candidate(self, node: int) -> Candidate:
        """Region of a node, made once, since many prompts share it."""
        if node not in self.made:
            top, left, mask = self.hierarchy.mask(node)
            self.made[node] = Candidate(top, left, mask, float(self.score[node]))
        return self.made[node]

    def candidates(self, nodes: Nodes) -> tuple[Candidate, ...]:
        """Regions of one prompt's answer (3,), smallest first; -1 is none."""
        return tuple(self.candidate(int(node)) for node in np.sort(nodes) if node >= 0)

    def answers(self, pixels: Nodes, labels: PointLabels) -> Nodes:
        """Up to three nodes (B, 3) for prompts given by pixel numbers and labels (B, N); -1 for none.

        Of the regions that hold every foreground point and no background point: the best, then repeatedly the best of
        those whose IoU with every one taken is at most ``nesting``.
        """
        nodes = np.empty((len(pixels), MOST), dtype=np.int64)
        for first in range(0, len(pixels), CHUNK):
            part = slice(first, first + CHUNK)
            nodes[part] = self._best_on(*self._paths(pixels[part], labels[part]))
        return nodes

    def fitting(self, boxes: NDArray[np.float64]) -> tuple[Nodes, NDArray[np.float64]]:
        """Up to three nodes (B, 3) for boxes (B, 4), and how good they are (B, 3); -1 and 0 for none.

        Boxes are (top, left, bottom, right). Of the regions whose own bounding box overlaps the box by an IoU of at
        least :data:`FITTING`, those with the best expected overlap, without those that overlap a better one by more
        than ``nesting``.
        """
        answering = np.flatnonzero(self.score > self.min_answer)
        own = self.hierarchy.boxes[:, answering].astype(np.float64)
        best, values = np.full((len(boxes), MOST), -1, dtype=np.int64), np.zeros((len(boxes), MOST))
        for number, box in enumerate(boxes):
            fit = box_iou(own, box)
            near = np.flatnonzero(fit >= FITTING)
            nodes = answering[near]
            quality = self.boxed(nodes, fit[near])
            chosen = self._best_apart(nodes, quality)
            best[number, : len(chosen)], values[number, : len(chosen)] = nodes[chosen], quality[chosen]
        return best, values

    def _best_apart(self, nodes: Nodes, quality: NDArray[np.float64]) -> list[int]:
        """Positions of the best three of ``nodes`` (n,), best first, that overlap no better one too much."""
        taken: list[int] = []
        for place in np.argsort(-quality, kind="stable").tolist():
            if all(self._overlap(nodes[place], nodes[other]) <= self.nesting for other in taken):
                taken.append(place)
            if len(taken) == MOST:
                break
        return taken

    def _overlap(self, one: int, other: int) -> float:
        """IoU of two nodes: of areas where one holds the other, else none."""
        tree = self.hierarchy
        inner, outer = sorted((int(one), int(other)))
        held = tree.first[outer] <= tree.first[inner] < tree.first[outer] + tree.area[outer]
        return float(tree.area[inner] / tree.area[outer]) if held else 0.0

    def _paths(self, pixels: Nodes, labels: PointLabels) -> tuple[Nodes, Nodes]:
        """First node (B,) of each prompt's path towards the root, and the node (B,) before which it ends."""
        tree = self.hierarchy
        homes = tree.home[pixels]
        inside = labels == FOREGROUND
        start = homes[np.arange(len(homes)), inside.argmax(axis=1)]
        for place, given in zip(homes.T, inside.T, strict=True):
            start = np.where(given, tree.meeting(start, place), start)
        # From the node where a background point joins the path on, every node holds that point.
        stop = np.where(inside.any(axis=1), tree.root, start)
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

    def _best_on(self, start: Nodes, stop: Nodes) -> Nodes:
        """Answers (B, 3) on the paths from ``start`` (B,) towards the root, before ``stop`` (B,)."""
        steps = [self._answering[start]]
        above = self._answering[self.hierarchy.parent]
        while (steps[-1] < stop).any():
            steps.append(np.where(steps[-1] < stop, above[steps[-1]], steps[-1]))
        path = np.stack(steps)
        value = np.where((path < stop) & (self.score[path] > self.min_answer), self.score[path], 0.0)
        area = self.hierarchy.area[path]
        answers = np.full((len(start), MOST), -1, dtype=np.int64)
        prompts = np.arange(len(start))
        for rank in range(MOST):
            best = value.argmax(axis=0)
            good = value[best, prompts] > 0
            answers[good, rank] = path[best, prompts][good]
            chosen = area[best, prompts]
            overlap = np.minimum(area, chosen) / np.maximum(area, chosen)
            value = np.where(overlap > self.nesting, 0.0, value)
        return answers


def box_iou(boxes: NDArray[np.float64], box: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union (n,) of boxes (4, n) with one (4,): top, left, bottom, right."""
    top, left = np.maximum(boxes[0], box[0]), np.maximum(boxes[1], box[1])
    bottom, right = np.minimum(boxes[2], box[2]), np.minimum(boxes[3], box[3])
    shared = np.clip(bottom - top, 0, None) * np.clip(right - left, 0, None)
    areas = (boxes[2] - boxes[0]) * (boxes[3] - boxes[1]) + (box[2] - box[0]) * (box[3] - box[1])
    return np.asarray(shared / np.maximum(areas - shared, 1e-12), dtype=np.float64)

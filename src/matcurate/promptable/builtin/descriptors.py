"""What is measured of every region before its quality is judged: its outline, its inside, its shape, its place.

All lengths are pixels, all grey values standard deviations of the image, so that neither the depth nor the contrast
of the micrograph matters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import higra as hg
import numpy as np
from numpy.typing import NDArray

from matcurate.imaging.stretch import stretched
from matcurate.promptable.builtin.edges import Between, Field, drop
from matcurate.promptable.builtin.network import Head
from matcurate.promptable.builtin.regions import ORIGINS, Nested
from matcurate.promptable.hierarchy import Hierarchy
from matcurate.types import Pixels

Column = NDArray[np.float64]

BLUR = 0.8
"""Standard deviation in pixels of the Gaussian before grey values are compared."""
FAINT = 0.02
"""Added to boundary probabilities before their logarithm."""
CLEAR = 0.3
"""Boundary probability from which an edge counts as closed."""
SPLIT = 0.5
"""Probability from which a seam parts two grains."""
MOST_WITHIN = 4.0
"""Largest length of such seams inside a region, as a multiple of its outline."""

DESCRIPTORS = (
    "log_area",
    "log_share",
    "frame",
    "outline",
    "outline_log",
    "outline_closed",
    "inner_boundary",
    "seam",
    "parent_seam",
    "step",
    "step_size",
    "outline_step",
    "inner_step",
    "spread",
    "inside",
    "undecided",
    "circularity",
    "box_fill",
    "elongation",
    "log_parent",
    "parent_step",
    "level",
    "over_inner",
    "over_outer",
    "log_perimeter",
    "split",
    "split_closed",
    "split_within",
    "split_seam",
    "split_parent",
    *(f"from_{origin}" for origin in ORIGINS),
)
"""Names of the columns of :func:`describe`."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What regions are measured on, made once for an image.

    Parameters
    ----------
    parted : Between
        Probability that two neighbours belong to different objects.
    inside : float array (H, W)
        Probability that the pixel belongs to an object; 0.5 where the network does not say.
    grey : float array (H, W)
        Smoothed grey values of mean 0 and standard deviation 1.
    split : Between, optional
        Probability that a seam parts two grains there; nothing is known of seams without it.
    """

    parted: Between
    inside: Field
    grey: Field
    split: Between | None = None

    @classmethod
    def of(cls, pixels: Pixels, parted: Between, said: NDArray[np.float32], heads: tuple[Head, ...]) -> Evidence:
        """Collect it from an image (H, W) and what the network said of it (heads, H, W)."""
        smooth = cv2.GaussianBlur(stretched(pixels), (0, 0), BLUR).astype(np.float64).reshape(pixels.shape)
        deviation = smooth.std()
        grey = (smooth - smooth.mean()) / (deviation if deviation > 0 else 1.0)
        inside = said[heads.index("inside")].astype(np.float64) if "inside" in heads else np.full(grey.shape, 0.5)
        return cls(parted, inside, grey)

    @cached_property
    def pairs(self) -> Between:
        """1 for every pair."""
        return Between(np.ones_like(self.parted.right), np.ones_like(self.parted.below))

    @cached_property
    def rough(self) -> Between:
        """Grey step."""
        return Between(np.abs(np.diff(self.grey, axis=1)), np.abs(np.diff(self.grey, axis=0)))

    @cached_property
    def closed(self) -> Between:
        """1 where the boundary is clear, else 0."""
        return Between(*((side > CLEAR).astype(np.float64) for side in (self.parted.right, self.parted.below)))

    @cached_property
    def faint(self) -> Between:
        """Logarithm of the boundary probability."""
        return Between(*(np.log(side + FAINT) for side in (self.parted.right, self.parted.below)))

    def split_by(self, split: Between) -> Evidence:
        """The same, with what is known of seams."""
        return replace(self, split=split)

    @cached_property
    def sure(self) -> Between | None:
        """1 where a seam is more likely than not to part two grains, else 0; None where nothing is known of seams."""
        if self.split is None:
            return None
        return Between(*((side > SPLIT).astype(np.float64) for side in (self.split.right, self.split.below)))

    @cached_property
    def drop(self) -> Field:
        """By how much each pixel (H, W) is brighter than its neighbours."""
        return drop(self.grey)


def describe(nested: Nested, evidence: Evidence) -> NDArray[np.float32]:
    """Descriptors (M, D) of every region of a hierarchy, columns as in :data:`DESCRIPTORS`."""
    tree, grey = nested.hierarchy, evidence.grey
    area = tree.area.astype(np.float64)
    perimeter, pairs, met = _sums(nested, evidence.pairs)
    length, held = np.maximum(perimeter, 1), np.maximum(pairs, 1)
    outline, inner, seam = _sums(nested, evidence.parted)
    outline, seam = outline / length, seam / np.maximum(met, 1)
    jump, rise, _ = _sums(nested, evidence.rough)
    frame = tree.total(_frame(grey.shape))
    step = tree.total(evidence.drop) / length
    mean = tree.total(grey) / area
    spread = np.sqrt(np.maximum(tree.total(grey**2) / area - mean**2, 0))
    inside = tree.total(evidence.inside) / area
    decided = tree.total((evidence.inside > 0.5).astype(np.float64)) / area
    height, width = np.maximum(tree.extent(), 1)
    below, above = _best_around(tree, np.where(area >= 4, outline, 0))
    columns: list[Column] = [
        np.log(area),
        np.log(area / area[-1]),
        frame / (perimeter + frame),
        outline,
        _sums(nested, evidence.faint)[0] / length,
        _sums(nested, evidence.closed)[0] / length,
        inner / held,
        seam,
        seam[tree.parent],
        step,
        np.abs(step),
        jump / length,
        rise / held,
        spread,
        inside,
        np.abs(inside - decided),
        np.minimum(4 * np.pi * area / (perimeter + frame) ** 2, 1.2),
        area / (height * width),
        np.log(height / width) ** 2,
        np.log(area[tree.parent] / area),
        np.abs(mean - mean[tree.parent]),
        mean,
        outline - below,
        outline - above,
        np.log1p(perimeter),
        *_parting(nested, evidence, length, met),
        *(np.full(len(area), float(nested.origin == origin)) for origin in ORIGINS),
    ]
    described = np.empty((len(columns), len(area)), dtype=np.float32)
    for row, column in zip(described, columns, strict=True):
        row[:] = column
    return np.ascontiguousarray(described.T)


def _parting(nested: Nested, evidence: Evidence, length: Column, met: Column) -> list[Column]:
    """How surely grains are parted along a region's outline, inside it, and where its parts and its parent's meet."""
    if evidence.split is None or evidence.sure is None:
        return [np.zeros(len(length))] * 5  # where nothing is known, nothing parts
    outline, _, seam = _sums(nested, evidence.split)
    closed, within, _ = _sums(nested, evidence.sure)
    seam = seam / np.maximum(met, 1)
    inside = np.minimum(within / length, MOST_WITHIN)
    return [outline / length, closed / length, inside, seam, seam[nested.hierarchy.parent]]


def _sums(nested: Nested, values: Between) -> tuple[Column, Column, Column]:
    """Sums (M,) over the pairs that each region parts, over those it holds, and over those where its parts meet.

    The last are the pairs that the region holds and no smaller one does.
    """
    tree, count = nested.hierarchy, len(nested.hierarchy.parent)
    across = np.bincount(nested.right.ravel(), values.right.ravel(), count)
    joint = (across + np.bincount(nested.below.ravel(), values.below.ravel(), count)).astype(np.float64, copy=False)
    held = tree.gathered(joint)
    return tree.total(values.around) - 2 * held, held, joint


def _frame(shape: tuple[int, ...]) -> Field:
    """Number of sides (H, W) of each pixel that are the edge of the image."""
    sides = np.zeros(shape)
    sides[0] += 1
    sides[-1] += 1
    sides[:, 0] += 1
    sides[:, -1] += 1
    return sides


def _best_around(tree: Hierarchy, value: Column) -> tuple[Column, Column]:
    """Largest ``value`` (M,) among the regions within each region, and among those around it; 0 where none are."""
    pixels = tree.tree.num_leaves()
    every = np.concatenate([np.zeros(pixels), value])
    best = hg.accumulate_and_max_sequential(tree.tree, every, np.zeros(pixels), hg.Accumulators.max)[pixels:]
    within = np.zeros(len(value))
    np.maximum.at(within, tree.parent[:-1], best[:-1])
    around = hg.propagate_sequential_and_accumulate(tree.tree, every, hg.Accumulators.max)[pixels:][tree.parent]
    around[-1] = 0
    return within, np.asarray(around, dtype=np.float64)

"""What is measured of every region before its quality is judged: its outline, its inside, its shape, its place.

All lengths are pixels, all grey values standard deviations of the image, so that neither the depth nor the contrast
of the micrograph matters.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    *(f"from_{origin}" for origin in ORIGINS),
)
"""Names of the columns of :func:`describe`."""


@dataclass(frozen=True, slots=True, eq=False)
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
    """

    parted: Between
    inside: Field
    grey: Field

    @classmethod
    def of(cls, pixels: Pixels, parted: Between, said: NDArray[np.float32], heads: tuple[Head, ...]) -> Evidence:
        """Collect it from an image (H, W) and what the network said of it (heads, H, W)."""
        smooth = cv2.GaussianBlur(stretched(pixels), (0, 0), BLUR).astype(np.float64).reshape(pixels.shape)
        deviation = smooth.std()
        grey = (smooth - smooth.mean()) / (deviation if deviation > 0 else 1.0)
        inside = said[heads.index("inside")].astype(np.float64) if "inside" in heads else np.full(grey.shape, 0.5)
        return cls(parted, inside, grey)


def describe(nested: Nested, evidence: Evidence) -> NDArray[np.float32]:
    """Descriptors (M, D) of every region of a hierarchy, columns as in :data:`DESCRIPTORS`."""
    tree, grey = nested.hierarchy, evidence.grey
    area = tree.area.astype(np.float64)
    ones = Between(np.ones(nested.right.shape), np.ones(nested.below.shape))
    rough = Between(np.abs(np.diff(grey, axis=1)), np.abs(np.diff(grey, axis=0)))
    closed = Between(*((side > CLEAR).astype(np.float64) for side in (evidence.parted.right, evidence.parted.below)))
    faint = Between(*(np.log(side + FAINT) for side in (evidence.parted.right, evidence.parted.below)))
    sums = _Sums(nested)
    perimeter, pairs = sums.of(ones)
    length, held = np.maximum(perimeter, 1), np.maximum(pairs, 1)
    outline, inner = sums.of(evidence.parted)
    seam = sums.joint(evidence.parted) / np.maximum(sums.joint(ones), 1)
    outline = outline / length
    jump, rise = sums.of(rough)
    frame = tree.total(_frame(grey.shape))
    step = tree.total(drop(grey)) / length
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
        sums.of(faint)[0] / length,
        sums.of(closed)[0] / length,
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
        *(np.full(len(area), float(nested.origin == origin)) for origin in ORIGINS),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


class _Sums:
    """Sums over the outline and over the inside of each region, of numbers between pixels."""

    def __init__(self, nested: Nested) -> None:
        self._nested = nested
        tree = nested.hierarchy
        # A region comes before what it holds and after what holds it; its descendants follow it in one run.
        self._order = np.lexsort((-np.arange(len(tree.parent)), tree.first))
        starts = tree.first[self._order]
        self._place = np.empty_like(self._order)
        self._place[self._order] = np.arange(len(self._order))
        self._end = np.searchsorted(starts, tree.first + tree.area)

    def of(self, values: Between) -> tuple[Column, Column]:
        """Sum (M,) over the pairs that a region parts, and sum (M,) over those it holds."""
        running = np.concatenate([[0.0], np.cumsum(self.joint(values)[self._order])])
        held = running[self._end] - running[self._place]
        return self._nested.hierarchy.total(values.around()) - 2 * held, held

    def joint(self, values: Between) -> Column:
        """Sum (M,) over the pairs that a region holds and no smaller one does: where its parts meet."""
        nested, count = self._nested, len(self._order)
        across = np.bincount(nested.right.ravel(), values.right.ravel(), count)
        return np.asarray(across + np.bincount(nested.below.ravel(), values.below.ravel(), count), dtype=np.float64)


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

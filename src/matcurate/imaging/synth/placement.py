"""Positions of grains, precipitates and particles: few points, drawn with numpy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from matcurate.imaging.synth.canvas import Canvas

FloatPoints = NDArray[np.float64]


def scattered(canvas: Canvas, count: int, margin: float) -> FloatPoints:
    """Uniform (row, column) positions (count, 2) on the canvas and ``margin`` pixels around it."""
    low = -margin
    return canvas.rng.uniform((low, low), (canvas.height + margin, canvas.width + margin), (count, 2))


def hard_core(points: FloatPoints, radii: NDArray[np.float64], gap: float) -> NDArray[np.bool_]:
    """Which discs (N,) to keep so that none comes nearer than ``gap`` pixels to another; earlier ones win.

    The result is that of placing the discs one after the other (random sequential adsorption, Widom 1966), found in a
    few rounds over all pairs at once.
    """
    pairs = cKDTree(points).query_pairs(2 * float(radii.max(initial=0)) + gap, output_type="ndarray")
    first, second = pairs[:, 0], pairs[:, 1]  # first < second: the first wins
    near = np.linalg.norm(points[first] - points[second], axis=1) < radii[first] + radii[second] + gap
    first, second = first[near], second[near]
    keep = np.ones(len(points), dtype=np.bool_)
    open_ = np.ones(len(points), dtype=np.bool_)
    while open_.any():
        waiting = np.zeros(len(points), dtype=np.bool_)
        waiting[second[open_[first]]] = True  # an undecided earlier rival
        settled = open_ & ~waiting
        beaten = second[settled[first]]
        keep[beaten] = False
        open_[settled] = False
        open_[beaten] = False
        alive = open_[first] & open_[second]
        first, second = first[alive], second[alive]
    return keep


def jittered_lattice(canvas: Canvas, spacing: float, jitter: float, angle: float) -> FloatPoints:
    """Square lattice turned by ``angle`` (radians), each point moved by ``jitter`` spacings (Gaussian)."""
    reach = int(np.hypot(canvas.height, canvas.width) / 2 / spacing) + 4
    steps = np.arange(-reach, reach + 1, dtype=np.float64)
    lattice = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    lattice += canvas.rng.normal(0, jitter, lattice.shape)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = lattice @ turn.T * spacing + (canvas.height / 2, canvas.width / 2)
    margin = 2 * spacing
    inside = ((points > -margin) & (points < (canvas.height + margin, canvas.width + margin))).all(axis=1)
    return np.asarray(points[inside], dtype=np.float64)


def lognormal_radii(rng: np.random.Generator, median: float, spread: float, count: int) -> NDArray[np.float64]:
    """Radii (count,) in pixels, log-normal, cut at three spreads so that none fills the picture."""
    return np.asarray(median * np.exp(spread * np.clip(rng.standard_normal(count), -3, 3)), dtype=np.float64)


def packed_discs(
    canvas: Canvas, draw_radii: Callable[[int], NDArray[np.float64]], coverage: float, gap: float
) -> tuple[FloatPoints, NDArray[np.float64]]:
    """Discs without overlap, tried until about ``coverage`` of the area was thrown in: positions (N, 2), radii (N,)."""
    sample = draw_radii(256)
    margin = 2 * float(np.quantile(sample, 0.9))
    area = (canvas.height + 2 * margin) * (canvas.width + 2 * margin)
    count = max(4, int(coverage * area / (np.pi * float(np.mean(sample**2)))))
    points, radii = scattered(canvas, count, margin), draw_radii(count)
    keep = hard_core(points, radii, gap)
    return points[keep], radii[keep]

"""Cracks: wandering strokes of varying width."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matcurate.imaging.synth.canvas import Canvas
from matcurate.imaging.synth.placement import FloatPoints

STEP = 0.6
"""Pixels between two points of a stroke."""
THINNEST = 0.8
"""Least half-width of a crack in pixels: thinner ones fall to pieces on the pixel grid."""


@dataclass(frozen=True, slots=True, eq=False)
class Stroke:
    """Points (row, column) float (N, 2) in pixels, with a half-width at each, float (N,)."""

    points: FloatPoints
    halves: NDArray[np.float64]


def crack(canvas: Canvas, start: tuple[float, float], angle: float, length: float, half: float) -> Stroke:
    """One crack from its mouth at ``start`` (row, column): it wanders, kinks and tapers to its tip.

    ``angle`` is the main direction in radians, 0 along the columns, pi/2 down the rows; ``length`` and the half-width
    ``half`` at the mouth are in pixels.
    """
    rng, count = canvas.rng, max(4, int(length / STEP))
    straight = rng.geometric(0.07, count)  # points between two kinks
    kinks = np.repeat(rng.normal(0, 0.38, count), straight)[:count]
    wander = np.cumsum(rng.normal(0, 0.04, count))
    wander -= np.linspace(0, wander[-1], count)  # comes back to its main direction
    heading = angle + kinks + wander
    moves = STEP * np.stack([np.sin(heading), np.cos(heading)], axis=1)
    taper = np.sqrt(np.linspace(1, 0.12, count))
    knots = np.arange(0, count + 12, 12)
    rough = 1 + 0.25 * np.interp(np.arange(count), knots, rng.normal(0, 1, len(knots)))
    return Stroke(np.asarray(start) + np.cumsum(moves, axis=0), np.clip(half * taper * rough, THINNEST, None))


def branched(canvas: Canvas, stem: Stroke, count: int) -> list[Stroke]:
    """The crack and ``count`` branches that leave it under 20 to 60 degrees."""
    strokes = [stem]
    for _ in range(count):
        at = int(canvas.rng.integers(len(stem.halves) // 5, max(len(stem.halves) * 4 // 5, len(stem.halves) // 5 + 1)))
        down, right = stem.points[min(at + 3, len(stem.points) - 1)] - stem.points[max(at - 3, 0)]
        away = canvas.uniform(0.35, 1.05) * (1 if canvas.chance(0.5) else -1)
        length = canvas.uniform(0.2, 0.5) * STEP * len(stem.halves)
        start = (float(stem.points[at, 0]), float(stem.points[at, 1]))
        strokes.append(crack(canvas, start, math.atan2(down, right) + away, length, 0.7 * float(stem.halves[at])))
    return strokes


def stroked(canvas: Canvas, strokes: list[Stroke]) -> Tensor:
    """Depth below the outline of the strokes in pixels, -1 further away than a pixel; float (H, W)."""
    depth = torch.full((canvas.height * canvas.width,), -1.0, device=canvas.device)
    for stroke in strokes:
        points, halves = canvas.tensor(stroke.points), canvas.tensor(stroke.halves)
        reach = math.ceil(float(stroke.halves.max(initial=0))) + 1
        span = torch.arange(-reach, reach + 1, device=canvas.device)
        window = torch.cartesian_prod(span, span)
        at = torch.round(points).long()[:, None] + window
        value = halves[:, None] - torch.linalg.vector_norm(at - points[:, None], dim=2)
        inside = (at >= 0).all(dim=2) & (at[..., 0] < canvas.height) & (at[..., 1] < canvas.width)
        place = at[..., 0] * canvas.width + at[..., 1]
        depth = depth.scatter_reduce(0, place[inside], value[inside], "amax")
    return depth.view(canvas.height, canvas.width)

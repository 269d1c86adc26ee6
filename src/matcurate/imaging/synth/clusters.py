"""Positions of particles that touch: chains and clusters, monolayers, heaps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matcurate.imaging.synth.canvas import Canvas
from matcurate.imaging.synth.placement import FloatPoints


def aggregate(
    canvas: Canvas,
    start: FloatPoints,
    radii: NDArray[np.float64],
    overlap: float,
    straight: float,
) -> FloatPoints:
    """Grow an aggregate from ``start`` (2,): every particle touches an earlier one, centres (N, 2) in pixels.

    Neighbours overlap by a share of the sum of their radii (N,); a negative one leaves a gap. ``straight`` is the
    chance that a particle goes on from the last one in the same direction (a chain); 0 gives a compact cluster.
    """
    rng, count = canvas.rng, len(radii)
    centres = np.tile(np.asarray(start, dtype=np.float64), (count, 1))
    heading = canvas.uniform(0, 2 * np.pi)
    for index in range(1, count):
        if rng.random() < straight:
            parents, turns = np.repeat(index - 1, 8), heading + rng.normal(0, 0.5, 8)
        else:
            parents, turns = rng.integers(0, index, 8), rng.uniform(0, 2 * np.pi, 8)
        reach = (radii[parents] + radii[index]) * (1 - overlap)
        tried = centres[parents] + reach[:, None] * np.stack([np.sin(turns), np.cos(turns)], axis=1)
        apart = np.linalg.norm(tried[:, None] - centres[None, :index], axis=2)
        room = (apart / ((radii[:index] + radii[index]) * (1 - overlap) - 1e-6)).min(axis=1)
        best = int(room.argmax())
        centres[index], heading = tried[best], float(turns[best])
    return centres


def monolayer(canvas: Canvas, spacing: float, disorder: float, angle: float, square: bool) -> FloatPoints:
    """Particles side by side on a hexagonal or square lattice over the whole canvas, centres (N, 2) in pixels.

    ``spacing`` is in pixels, ``disorder`` the standard deviation of the positions in spacings, ``angle`` the direction
    of the rows in radians.
    """
    reach = int(np.hypot(canvas.height, canvas.width) / 2 / spacing) + 2
    down, along = np.meshgrid(*[np.arange(-reach, reach + 1, dtype=np.float64)] * 2, indexing="ij")
    if not square:
        along, down = along + 0.5 * (down % 2), down * np.sqrt(0.75)
    lattice = np.asarray(np.stack([down, along], axis=-1).reshape(-1, 2))
    lattice = lattice + canvas.rng.normal(0, disorder, lattice.shape)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = lattice @ turn.T * spacing + (canvas.height / 2, canvas.width / 2)
    inside = ((points > -spacing) & (points < (canvas.height + spacing, canvas.width + spacing))).all(axis=1)
    return np.asarray(points[inside], dtype=np.float64)

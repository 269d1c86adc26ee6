"""Positions of grains, precipitates and particles, apart or touching: few points, drawn with numpy."""

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
    canvas: Canvas, median: float, spread: float, coverage: float, gap: float
) -> tuple[FloatPoints, NDArray[np.float64]]:
    """Discs without overlap, tried until about ``coverage`` of the area was thrown in: positions (N, 2), radii (N,)."""
    sample = lognormal_radii(canvas.rng, median, spread, 256)
    margin = 2 * float(np.quantile(sample, 0.9))
    area = (canvas.height + 2 * margin) * (canvas.width + 2 * margin)
    count = max(4, int(coverage * area / (np.pi * float(np.mean(sample**2)))))
    points, radii = scattered(canvas, count, margin), lognormal_radii(canvas.rng, median, spread, count)
    keep = hard_core(points, radii, gap)
    return points[keep], radii[keep]


def aggregate(
    canvas: Canvas, start: FloatPoints, radii: NDArray[np.float64], overlap: float, straight: float
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

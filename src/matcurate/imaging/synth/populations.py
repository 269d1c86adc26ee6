"""Populations of particles: where they lie and which habit they have."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcurate.imaging.synth.canvas import Canvas, smooth_field
from matcurate.imaging.synth.outlines import Shape
from matcurate.imaging.synth.placement import FloatPoints, aggregate, hard_core, lognormal_radii, monolayer, scattered

MOST = 450
"""Particles that one picture may hold."""


@dataclass(frozen=True, slots=True, eq=False)
class Arrangement:
    """Where particles lie: centres (N, 2) and radii (N,) in pixels, directions of their long axes (N,) in radians."""

    centres: FloatPoints
    radii: NDArray[np.float64]
    angles: NDArray[np.float64]


def arranged(
    canvas: Canvas, median: float, spread: float, coverage: float, overlap: float, slack: float = 0.0
) -> Arrangement:
    """Arrange particles as they dry on a support: apart, in chains and clusters, or as islands of a monolayer.

    Radii have a ``median`` in pixels and a log-normal ``spread``; their discs take about the share ``coverage`` of the
    canvas. Touching particles overlap by a share of the sum of their radii; ``slack`` brings two nearer without
    overlap, because they do not fill their discs (cubes).
    """
    rng = canvas.rng
    count = int(coverage * canvas.height * canvas.width / (np.pi * (median * (1 + spread**2)) ** 2))
    count = min(max(count, 3), MOST)
    style = rng.choice(["apart", "clusters", "islands"], p=[0.3, 0.5, 0.2])
    if style == "islands":
        return _islands(canvas, median, spread, min(overlap, 0.01) + slack)
    overlap = overlap + 0.6 * slack
    radii = lognormal_radii(rng, median, spread, count)
    if style == "apart":
        centres = scattered(canvas, count, 0.0)
        centres[0] = canvas.height * canvas.uniform(0.3, 0.7), canvas.width * canvas.uniform(0.3, 0.7)
        keep = hard_core(centres, radii, -overlap * median)
        centres, radii = centres[keep], radii[keep]
    else:
        centres = _clusters(canvas, radii, overlap)
    parallel, main = rng.random() < 0.25, rng.uniform(0, np.pi)
    angles = np.where(parallel, main + rng.normal(0, 0.15, len(radii)), rng.uniform(0, np.pi, len(radii)))
    return Arrangement(centres, radii, angles)


def _clusters(canvas: Canvas, radii: NDArray[np.float64], overlap: float) -> FloatPoints:
    """Chains and clusters of a common habit with single particles between them; the first starts near the middle."""
    rng, count = canvas.rng, len(radii)
    typical = max(2.0, count ** canvas.uniform(0.2, 1.0))
    straight = canvas.uniform(0.5, 0.95) if canvas.chance(0.4) else canvas.uniform(0, 0.5)
    size = np.array([canvas.height, canvas.width])
    start, at, parts = size * rng.uniform(0.25, 0.75, 2), 0, []
    while at < count:
        members = int(np.clip(rng.geometric(1 / typical), 1 if at else 3, 120))
        parts.append(aggregate(canvas, start, radii[at : at + members], overlap, straight))
        start, at = size * rng.uniform(0, 1, 2), at + members
    return np.concatenate(parts)


def _islands(canvas: Canvas, median: float, spread: float, overlap: float) -> Arrangement:
    """A monolayer with gaps."""
    rng, angle, square = canvas.rng, canvas.uniform(0, np.pi), canvas.chance(0.35)
    radius = max(median, float(np.sqrt(canvas.height * canvas.width / (4 * MOST))))
    centres = monolayer(canvas, 2 * radius * (1 - overlap), canvas.uniform(0.0, 0.08), angle, square)
    cover = smooth_field(canvas, canvas.uniform(2, 6) * radius).cpu().numpy()
    density = cover[canvas.pixels_at(centres)]
    keep = density > min(canvas.uniform(-2.5, 0.7), float(np.sort(density)[-3:][0]) - 1e-6)
    centres = centres[keep]
    radii = lognormal_radii(rng, radius, min(spread, 0.1), len(centres))
    return Arrangement(centres, radii, angle + rng.normal(0, 0.06, len(radii)))


def populations(canvas: Canvas) -> tuple[Arrangement, list[NDArray[np.float64]]]:
    """Arrangement and outlines of the particles of one picture; some pictures mix two shapes."""
    rng, unit = canvas.rng, canvas.unit
    largest = canvas.uniform(0.05, 0.28) * unit
    median = max(2.5, float(np.exp(rng.uniform(np.log(0.009 * unit), np.log(largest)))))
    spread = canvas.uniform(0.02, 0.2) if canvas.chance(0.65) else canvas.uniform(0.2, 0.5)
    overlap = canvas.uniform(-0.05, 0.06) if canvas.chance(0.7) else canvas.uniform(0.0, 0.3)
    shapes = [habit(canvas) for _ in range(2)]
    slack = 0.25 if shapes[0].corners == 4 and shapes[0].aspect[1] < 1.5 else 0.0
    place = arranged(canvas, median, spread, canvas.uniform(0.05, 0.55), overlap, slack)
    which = rng.random(len(place.radii)) < (canvas.uniform(0.05, 0.5) if canvas.chance(0.25) else 0.0)
    outlines = [
        shapes[int(second)].outlines(rng, place.radii[[at]], place.angles[[at]])[0] for at, second in enumerate(which)
    ]
    return place, outlines


def habit(canvas: Canvas) -> Shape:
    """Habit of a population."""
    rough = canvas.uniform(0.0, 0.04)
    wobbly = canvas.uniform(0.05, 0.2)
    shapes = {
        "sphere": Shape(0, (1.0, canvas.uniform(1.0, 1.15)), wobble=rough, waves=12),
        "pebble": Shape(0, (1.0, canvas.uniform(1.1, 1.9)), wobble=wobbly, waves=5),
        "bumpy": Shape(0, (1.0, 1.15), wobble=canvas.uniform(0.03, 0.09), waves=24),
        "crystal": Shape(int(canvas.rng.integers(5, 9)), (1.0, 1.4), canvas.uniform(0.05, 0.35), 0.012, 0.01),
        "cube": Shape(4, (1.0, canvas.uniform(1.0, 1.5)), canvas.uniform(0.0, 0.06), canvas.uniform(0.01, 0.05), 0.01),
        "triangle": Shape(3, (1.0, 1.2), 0.05, canvas.uniform(0.015, 0.05), 0.01),
        "rod": Shape(0, (canvas.uniform(1.8, 3.0), canvas.uniform(3.0, 8.0)), wobble=0.01, capped=True),
        "bar": Shape(4, (canvas.uniform(1.5, 2.5), canvas.uniform(2.5, 7.0)), 0.04, 0.02, 0.01),
        "shard": Shape(int(canvas.rng.integers(5, 9)), (1.0, 2.0), canvas.uniform(0.3, 0.5), 0.008, 0.06, waves=20),
    }
    shares = [0.26, 0.14, 0.08, 0.16, 0.1, 0.05, 0.09, 0.07, 0.05]
    return shapes[str(canvas.rng.choice(list(shapes), p=shares))]

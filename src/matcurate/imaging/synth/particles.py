"""Particles in a matrix: carbides of a spheroidised steel, inclusions, a filler in a polymer."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matcurate.imaging.synth.canvas import Canvas, gaussian_blur, smooth_field
from matcurate.imaging.synth.cells import Blobs, paint
from matcurate.imaging.synth.grains import etched_lines, polycrystal
from matcurate.imaging.synth.nuisances import scratches
from matcurate.imaging.synth.placement import FloatPoints, hard_core, packed_discs
from matcurate.imaging.synth.scene import Scene, components, kind


@kind(("matrix", "particle"), 50.0)
def particles(canvas: Canvas) -> Scene:
    """Bright or dark spheroids (class 1) of log-normal size, some in clusters and along grain boundaries of the matrix.

    Particles keep at least a pixel of matrix between them. Instances are the single particles; a particle of fewer than
    three pixels is left out.
    """
    median = canvas.uniform(2.0, 6.0) if canvas.chance(0.6) else canvas.uniform(6.0, 14.0)
    cells = polycrystal(canvas, canvas.uniform(60, 200), 0.35)
    points, radii = _positions(canvas, median, cells.depth)
    rng = canvas.rng
    aspect = 1 + rng.gamma(2.0, canvas.uniform(0.1, 0.3), len(radii))
    angles = rng.uniform(0, np.pi, len(radii))
    owner, depth = paint(canvas, Blobs(points, radii, aspect, angles, canvas.uniform(0.05, 0.3)))
    instances = components(owner >= 0, smallest=3)
    mask = instances > 0
    bright = canvas.chance(0.65)
    step = canvas.uniform(0.18, 0.5) * (1 if bright else -1)
    own = canvas.tensor(1 + 0.12 * rng.standard_normal(len(radii) + 1))[owner]
    grey = 0.4 + _background(canvas) + mask * step * own
    if canvas.chance(0.5):
        lines = etched_lines(canvas, cells, canvas.uniform(0.4, 0.9)) * ~mask
        grey = grey - canvas.uniform(0.04, 0.22) * lines
    rim = torch.exp(-0.5 * ((depth - 0.8) / 1.0) ** 2) * mask
    halo = 0.6 * (gaussian_blur(mask.float(), 2.0) * ~mask)
    edges = rim if bright else (rim + halo).clamp(0, 1)
    return Scene(grey, mask.long(), instances, edges)


def _positions(canvas: Canvas, median: float, boundary_depth: Tensor) -> tuple[FloatPoints, NDArray[np.float64]]:
    points, radii = packed_discs(canvas, median, canvas.uniform(0.2, 0.55), canvas.uniform(0.06, 0.45), gap=1.5)
    density = smooth_field(canvas, canvas.uniform(20, 80)).cpu().numpy()
    near_boundary = boundary_depth.cpu().numpy() < 1.2 * median
    here = canvas.pixels_at(points)
    clustering, decoration = canvas.uniform(0, 0.45), canvas.uniform(1, 1.5)
    keep = canvas.rng.random(len(points)) < 0.75 + clustering * density[here]
    radii = np.where(near_boundary[here] & (radii > median), radii * decoration, radii)
    points, radii = points[keep], radii[keep]
    apart = hard_core(points, radii, gap=1.5)  # those on boundaries have grown
    return points[apart], radii[apart]


def _background(canvas: Canvas) -> Tensor:
    """Polishing texture: fine directional streaks and slow unevenness."""
    stretch = (1.0, canvas.uniform(1, 12)) if canvas.chance(0.5) else (canvas.uniform(1, 12), 1.0)
    streaks = canvas.uniform(0.004, 0.02) * smooth_field(canvas, 0.8, stretch)
    uneven = canvas.uniform(0.0, 0.02) * smooth_field(canvas, 25.0)
    count = int(canvas.uniform(0, 40) * canvas.height * canvas.width / 512**2)
    return streaks + uneven + scratches(canvas, count, canvas.uniform(0.03, 0.1))

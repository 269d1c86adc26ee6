"""Polycrystals: channelling contrast, etched boundaries, twins."""

import numpy as np
import torch
from torch import Tensor

from matcurate.imaging.synth.canvas import Canvas, smooth_field
from matcurate.imaging.synth.cells import Cells, laguerre
from matcurate.imaging.synth.placement import hard_core, lognormal_radii, scattered
from matcurate.imaging.synth.scene import Scene, kind, numbered


@kind(("background", "grain"), 500.0)
def grains(canvas: Canvas) -> Scene:
    """A single-phase polycrystal.

    Every pixel is class 1 and belongs to a grain: boundaries have no width in the masks, a pixel on an etched line
    belongs to the grain whose cell it lies in, so that the instances tile the picture. Twins belong to their grain, as
    ASTM E112 counts them. Grain areas are near log-normal (Laguerre tessellation of a hard-core disc packing).
    """
    diameter = canvas.uniform(0.06, 0.2) * min(canvas.height, canvas.width, 512)
    cells = polycrystal(canvas, max(diameter, 12.0), canvas.uniform(0.15, 0.45))
    count = int(cells.owner.max()) + 1
    etched = canvas.chance(0.6)
    spread = canvas.uniform(0.015, 0.07) if etched else canvas.uniform(0.08, 0.2)
    levels = canvas.tensor(0.5 + spread * np.clip(canvas.rng.normal(0, 1, count), -2.5, 2.5))
    grey = levels[cells.owner]
    if canvas.chance(0.5):
        grey = grey + _twins(canvas, cells, diameter, canvas.uniform(0.5, 1.2) * max(spread, 0.04))
    grey = grey + 0.25 * spread * smooth_field(canvas, diameter / 3)
    if etched or canvas.chance(0.3):
        sign = 1 if canvas.chance(0.2) else -1
        grey = grey + sign * canvas.uniform(0.15, 0.4) * etched_lines(canvas, cells, canvas.uniform(0.5, 1.3))
    instances = numbered(cells.owner + 1)
    return Scene(grey, torch.ones_like(instances), instances, torch.zeros_like(grey))


def polycrystal(canvas: Canvas, diameter: float, spread: float, stretch: float = 1.0) -> Cells:
    """Laguerre polycrystal with slightly curved, wiggly boundaries.

    ``diameter`` is the mean of the grains in pixels, ``spread`` log-normal of the radii, ``stretch`` the elongation
    along the columns (rolling direction).
    """
    margin = 2 * diameter
    area = (canvas.height + 2 * margin) * (canvas.width + 2 * margin) / stretch
    count = max(8, int(4 * area / diameter**2))
    points = scattered(canvas, count, margin)
    radii = lognormal_radii(canvas.rng, 0.45 * diameter, spread, count)
    squeeze = np.array([1.0, 1.0 / stretch])
    points = points * squeeze
    keep = hard_core(points, 0.8 * radii, 0.0)
    coordinates = canvas.coordinates()
    # Amplitude below a quarter of the length: the warp stays one-to-one, so grains stay connected.
    for scale, share in ((0.35, 0.16), (0.1, 0.1), (0.035, 0.1)):
        length = max(1.5, scale * diameter)
        amplitude = share * length * canvas.uniform(0.3, 1)
        coordinates = coordinates + amplitude * torch.stack([smooth_field(canvas, length) for _ in range(2)])
    coordinates = coordinates * canvas.tensor(squeeze)[:, None, None]
    return laguerre(coordinates, canvas.tensor(points[keep]), canvas.tensor(radii[keep] ** 2))


def etched_lines(canvas: Canvas, cells: Cells, width: float) -> Tensor:
    """Etched boundaries in [0, 1]: each boundary is attacked differently, and fades along its length; float (H, W)."""
    count = int(cells.owner.max()) + int(cells.rival.max()) + 2
    low, high = torch.minimum(cells.owner, cells.rival), torch.maximum(cells.owner, cells.rival)
    table = canvas.tensor(canvas.rng.random(4096))
    attack = table[(low * count + high) % len(table)]
    strength = 0.35 + 0.65 * attack + 0.15 * smooth_field(canvas, 12.0)
    half = width * (0.7 + 0.6 * attack)
    return strength.clamp(0, 1) * torch.exp(-0.5 * (cells.depth / half) ** 2)


def _twins(canvas: Canvas, cells: Cells, diameter: float, contrast: float) -> Tensor:
    """Annealing twins: one or two parallel-sided bands across some grains; float (H, W)."""
    count = int(cells.owner.max()) + 1
    rng = canvas.rng
    angle = canvas.tensor(rng.uniform(0, np.pi, count))[cells.owner]
    offset = canvas.tensor(rng.uniform(0, 1, count))[cells.owner]
    period = canvas.tensor(diameter * rng.uniform(0.45, 1.2, count))[cells.owner]
    share = canvas.tensor(rng.uniform(0.12, 0.45, count))[cells.owner]
    step = canvas.tensor(contrast * np.where(rng.random(count) < 0.4, rng.choice([-1.0, 1.0], count), 0))[cells.owner]
    rows, columns = canvas.coordinates()
    position = (rows * torch.sin(angle) + columns * torch.cos(angle)) / period + offset
    return step * (torch.remainder(position, 1.0) < share)

"""Etched polycrystals in the optical microscope: even bright grains between thin dark lines, pits and inclusions."""

import torch
from torch import Tensor

from matcurate.imaging.synth.canvas import Canvas, smooth_field
from matcurate.imaging.synth.cells import Cells
from matcurate.imaging.synth.grains import etched_lines, polycrystal
from matcurate.imaging.synth.scene import Scene, kind, numbered


@kind(("background", "grain"), 250.0)
def etched(canvas: Canvas) -> Scene:
    """A single-phase polycrystal (class 1 everywhere) whose grains differ in size, hardly in grey.

    Boundaries are sharp lines of one to four pixels, mostly dark, some of them broken; here and there one is attacked
    deeply and is several pixels wide. Etch pits and inclusions belong to the grain that they lie in.
    """
    diameter = canvas.uniform(0.05, 0.2) * min(canvas.height, canvas.width, 512)
    cells = polycrystal(canvas, max(diameter, 14.0), canvas.uniform(0.3, 0.7), canvas.uniform(1.0, 1.8))
    count = int(cells.owner.max()) + 1
    levels = canvas.tensor(canvas.rng.normal(0, canvas.uniform(0.0, 0.02), count))
    grey = 0.8 + levels[cells.owner] + 0.01 * smooth_field(canvas, diameter)
    depth = canvas.uniform(0.3, 0.75)
    lines = depth * _lines(canvas, cells) + depth * _spots(canvas)
    grey = (grey - lines).clamp_min(0.02)
    if canvas.chance(0.15):
        grey = 1 - grey
    instances = numbered(cells.owner + 1)
    return Scene(grey, torch.ones_like(instances), instances, torch.zeros_like(grey))


def _lines(canvas: Canvas, cells: Cells) -> Tensor:
    """Boundaries in [0, 1]; float (H, W)."""
    width = canvas.uniform(0.5, 1.4)
    sharp = torch.exp(-((cells.depth / width) ** 4))
    broken = smooth_field(canvas, canvas.uniform(6, 30)) > canvas.uniform(1.4, 3.0)
    uneven = torch.maximum(0.75 * sharp, etched_lines(canvas, cells, width))
    deep = (smooth_field(canvas, 14.0) > canvas.uniform(1.8, 3.0)) * torch.exp(-((cells.depth / (2.5 * width)) ** 4))
    return torch.maximum(uneven * ~broken, deep).clamp(0, 1)


def _spots(canvas: Canvas) -> Tensor:
    """Etch pits and inclusions in [0, 1]; float (H, W)."""
    spots = torch.zeros(canvas.height, canvas.width, device=canvas.device)
    rows, columns = canvas.coordinates()
    for _ in range(int(canvas.uniform(0, 60) * canvas.height * canvas.width / 512**2)):
        y, x = canvas.uniform(0, canvas.height), canvas.uniform(0, canvas.width)
        radius = canvas.uniform(0.6, 1.6) if canvas.chance(0.85) else canvas.uniform(2, 5)
        strength = canvas.uniform(0.2, 1.0)
        top, left = max(0, int(y - 3 * radius)), max(0, int(x - 3 * radius))
        here = slice(top, int(y + 3 * radius) + 2), slice(left, int(x + 3 * radius) + 2)
        distance = torch.hypot(rows[here] - y, columns[here] - x)
        spots[here] = torch.maximum(spots[here], strength * torch.exp(-((distance / radius) ** 4)))
    return spots

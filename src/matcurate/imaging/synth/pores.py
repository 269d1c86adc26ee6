"""Pores and cracks in a dense material: castings, welds, additive manufacturing, sintered ceramics."""

import numpy as np
import torch
from torch import Tensor

from matcurate.imaging.synth.canvas import Canvas, gaussian_blur, smooth_field
from matcurate.imaging.synth.cells import Blobs, paint
from matcurate.imaging.synth.cracks import branched, crack, stroked
from matcurate.imaging.synth.grains import etched_lines, polycrystal
from matcurate.imaging.synth.placement import packed_discs
from matcurate.imaging.synth.scene import Scene, components, kind


@kind(("matrix", "pore", "crack"), 500.0)
def pores(canvas: Canvas) -> Scene:
    """Pores (class 1), round as from gas or irregular as from shrinkage and lack of fusion, and cracks (class 2).

    A pixel of both is pore, so a crack that meets a pore ends there and goes on behind. Instances are connected pores
    of at least four pixels and the connected parts of cracks of at least eight.
    """
    round_, rough = _gas(canvas), _shrinkage(canvas)
    pore_ids = components((round_ | rough) if canvas.chance(0.5) else (round_ if canvas.chance(0.6) else rough), 4)
    crack_ids = torch.zeros_like(pore_ids)
    if canvas.chance(0.5):
        crack_ids = components(_cracks(canvas) & (pore_ids == 0), smallest=8)
    phases = (pore_ids > 0).long() + 2 * (crack_ids > 0).long()
    instances = torch.where(crack_ids > 0, crack_ids + pore_ids.max(), pore_ids)
    edges = 1.6 * gaussian_blur((phases > 0).float(), canvas.uniform(0.8, 1.6)) * (phases == 0)
    return Scene(_grey(canvas, phases), phases, instances, edges.clamp(0, 1))


def _gas(canvas: Canvas) -> Tensor:
    """Round pores of log-normal size; bool (H, W)."""
    median = canvas.uniform(2.0, 9.0)
    points, radii = packed_discs(canvas, median, canvas.uniform(0.3, 0.7), canvas.uniform(0.03, 0.25), gap=1.5)
    aspect = 1 + canvas.rng.gamma(1.5, 0.06, len(radii))
    angles = canvas.rng.uniform(0, np.pi, len(radii))
    return paint(canvas, Blobs(points, radii, aspect, angles, canvas.uniform(0.0, 0.1)))[0] >= 0


def _shrinkage(canvas: Canvas) -> Tensor:
    """Irregular pores with lobes and sharp corners, in swarms, often drawn out in one direction; bool (H, W)."""
    median = canvas.uniform(6.0, 20.0)
    points, radii = packed_discs(canvas, median, 0.5, canvas.uniform(0.12, 0.5), gap=1.0)
    main, aligned = canvas.uniform(0, np.pi), canvas.chance(0.5)
    angles = main + canvas.rng.normal(0, 0.2, len(radii)) if aligned else canvas.rng.uniform(0, np.pi, len(radii))
    aspect = 1 + canvas.rng.gamma(2.0, 0.5, len(radii))
    _, depth = paint(canvas, Blobs(points, radii, aspect, angles, 0.3))
    lobes = median * (0.3 * smooth_field(canvas, 0.45 * median) + 0.14 * smooth_field(canvas, max(0.15 * median, 0.8)))
    swarm = 0.35 * median * (smooth_field(canvas, canvas.uniform(25, 70)) - canvas.uniform(0.0, 1.0)).clamp(-2, 0.5)
    return depth.clamp_min(-median) + lobes + swarm > 0.1 * median


def _cracks(canvas: Canvas) -> Tensor:
    """One to five cracks, some branched, roughly in one direction; bool (H, W)."""
    unit = canvas.unit
    main, strokes = canvas.uniform(0, np.pi), []
    for _ in range(int(canvas.rng.integers(1, 6))):
        start = (canvas.uniform(0, canvas.height), canvas.uniform(0, canvas.width))
        angle = main + float(canvas.rng.normal(0, 0.35))
        half = max(canvas.uniform(0.0012, 0.005) * unit, 0.7)
        stem = crack(canvas, start, angle, canvas.uniform(0.12, 0.7) * unit, half)
        strokes += branched(canvas, stem, int(canvas.rng.integers(0, 3)))
    return stroked(canvas, strokes) > 0


def _grey(canvas: Canvas, phases: Tensor) -> Tensor:
    cells = polycrystal(canvas, canvas.uniform(25, 120), 0.35)
    level = canvas.tensor(canvas.rng.normal(0, 1, int(cells.owner.max()) + 1)).clamp(-2, 2)[cells.owner]
    matrix = canvas.uniform(0.5, 0.72) + canvas.uniform(0.0, 0.04) * level * canvas.chance(0.4)
    matrix = matrix + canvas.uniform(0.003, 0.02) * smooth_field(canvas, canvas.uniform(1.0, 4.0))
    if canvas.chance(0.3):
        matrix = matrix - canvas.uniform(0.03, 0.15) * etched_lines(canvas, cells, canvas.uniform(0.4, 0.8))
    hollow = gaussian_blur((phases > 0).float(), 2.5)
    floor = canvas.uniform(0.04, 0.2) + canvas.uniform(0.0, 0.12) * (1 - hollow)
    if canvas.chance(0.5):  # the far wall of the pore is seen
        floor = floor + canvas.uniform(0.02, 0.1) * smooth_field(canvas, canvas.uniform(2.0, 5.0)).clamp(-1, 2.5)
    return torch.where(phases > 0, floor, matrix)

"""Two- and three-phase structures: dual-phase steel, duplex steel, eutectics."""

import torch
from torch import Tensor

from matcurate.imaging.synth.canvas import Canvas, band_field, gaussian_blur, smooth_field
from matcurate.imaging.synth.cells import Cells
from matcurate.imaging.synth.grains import etched_lines, polycrystal
from matcurate.imaging.synth.scene import Scene, components, kind


@kind(("matrix", "second", "third"), 100.0)
def phases(canvas: Canvas) -> Scene:
    """A matrix (class 0) with a second (class 1) and sometimes a third phase (class 2).

    Three morphologies: grains of a polycrystal that transformed (dual-phase steel), islands and networks from a
    thresholded random field (duplex, spinodal), and the same drawn out by rolling. Instances are the connected islands;
    islands below 12 pixels are matrix.
    """
    size = canvas.uniform(0.04, 0.11) * canvas.unit
    stretch = canvas.uniform(1.5, 3.5) if canvas.chance(0.3) else 1.0
    cells = polycrystal(canvas, max(1.3 * size, 10.0), 0.35, stretch)
    field = _transformed(canvas, cells) if canvas.chance(0.45) else _islands(canvas, size, stretch)
    second = _share(field, canvas.uniform(0.12, 0.5))
    third = torch.zeros_like(second)
    if canvas.chance(0.4):
        third = _share(smooth_field(canvas, 0.3 * size), canvas.uniform(0.02, 0.08)) & ~second
    first_ids, third_ids = components(second, smallest=12), components(third, smallest=12)
    classes = (first_ids > 0).long() + 2 * (third_ids > 0).long()
    instances = torch.where(third_ids > 0, third_ids + first_ids.max(), first_ids)
    edges = _relief(classes)
    return Scene(_grey(canvas, cells, classes), classes, instances, edges)


def _islands(canvas: Canvas, size: float, stretch: float) -> Tensor:
    along = (1.0, stretch)
    field = band_field(canvas, 2.2 * size, canvas.uniform(0.15, 0.5), along)
    return field + canvas.uniform(0.0, 0.3) * smooth_field(canvas, max(1.5, 0.12 * size), along)


def _transformed(canvas: Canvas, cells: Cells) -> Tensor:
    """Whole grains above a threshold; their rims are left, so islands of neighbours may stay apart."""
    count = int(cells.owner.max()) + 1
    level = canvas.tensor(canvas.rng.normal(0, 1, count))[cells.owner]
    return level + 0.25 * torch.tanh((cells.depth - 1.5) / 1.5) + 0.1 * smooth_field(canvas, 5.0)


def _share(field: Tensor, share: float) -> Tensor:
    """Pixels of the largest values, so that ``share`` of the area is True; bool (H, W)."""
    ordered = field.flatten().sort().values
    return field > ordered[int((1 - share) * (len(ordered) - 1))]


def _grey(canvas: Canvas, cells: Cells, phases: Tensor) -> Tensor:
    count = int(cells.owner.max()) + 1
    step = canvas.uniform(0.14, 0.4) * (1 if canvas.chance(0.65) else -1)
    steps = torch.tensor([0.0, step, -(1 if step > 0 else -1) * canvas.uniform(0.1, 0.22)], device=canvas.device)
    matrix = (phases == 0).float()
    grain = canvas.tensor(canvas.rng.normal(0, 1, count)).clamp(-2, 2)[cells.owner]
    rough = band_field(canvas, canvas.uniform(4, 8), 0.5)
    grey = 0.42 + steps.float()[phases] + canvas.uniform(0.0, 0.035) * grain * (0.4 + 0.6 * matrix)
    grey = grey + canvas.uniform(0.005, 0.05) * rough * (phases == 1)
    if canvas.chance(0.75):
        grey = grey - canvas.uniform(0.03, 0.16) * etched_lines(canvas, cells, canvas.uniform(0.4, 0.9)) * matrix
    if canvas.chance(0.4):
        grey = grey - canvas.uniform(0.05, 0.15) * _relief(phases)  # etched phase boundaries
    return grey


def _relief(phases: Tensor) -> Tensor:
    """Thin line along phase boundaries, in [0, 1]."""
    inside = (phases > 0).float()
    return (4 * gaussian_blur(inside, 1.2) * (1 - gaussian_blur(inside, 1.2))).clamp(0, 1) ** 2

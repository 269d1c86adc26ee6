"""Lamellar structures: pearlite and eutectics, fresh or on the way to spheroids."""

import math

import torch
from torch import Tensor

from matcurate.imaging.synth.canvas import Canvas, gaussian_blur, smooth_field
from matcurate.imaging.synth.cells import Cells
from matcurate.imaging.synth.grains import etched_lines, polycrystal
from matcurate.imaging.synth.scene import Scene, kind, pieces


@kind(("matrix", "plate"), 25.0)
def lamellae(canvas: Canvas) -> Scene:
    """Plates (class 1, cementite in pearlite) in a matrix (class 0, ferrite).

    Colonies of one direction and one apparent spacing; plates waver, end, and break into beads where the structure has
    begun to spheroidise; some colonies may be plain matrix (proeutectoid ferrite). Instances are the single plates or
    their broken parts, never a colony: an instance holds pixels of its class only, and a colony is plates and matrix.
    Plates end at the border of their colony.
    """
    unit = canvas.unit
    spacing = max(math.exp(canvas.uniform(math.log(0.012), math.log(0.045))) * unit, 5.5)
    colonies = polycrystal(canvas, max(canvas.uniform(0.2, 0.6) * unit, 5 * spacing), 0.35)
    depth = _plates(canvas, colonies, spacing)
    count = int(colonies.owner.max()) + 1
    share = canvas.uniform(0.1, 0.4) if canvas.chance(0.35) else 0.0
    ferrite = torch.as_tensor(canvas.rng.random(count) < share, device=canvas.device)
    ferrite[colonies.owner[canvas.height // 2, canvas.width // 2]] = False  # at least one colony has plates
    depth = torch.where(ferrite[colonies.owner], -spacing, depth)
    instances = pieces((colonies.owner + 1) * (depth > 0), smallest=6)
    mask = instances > 0
    edges = mask * torch.exp(-0.5 * ((depth - 0.8) / 0.9) ** 2)
    grey = _grey(canvas, colonies, mask, ferrite[colonies.owner], spacing)
    return Scene(grey, mask.long(), instances, edges)


def _plates(canvas: Canvas, colonies: Cells, spacing: float) -> Tensor:
    """Depth below the surface of the plates in pixels, negative outside; float (H, W)."""
    rng, owner = canvas.rng, colonies.owner
    count = int(owner.max()) + 1
    angle = canvas.tensor(rng.uniform(0, math.pi, count))[owner]
    period = canvas.tensor(spacing * rng.lognormal(0, 0.2, count).clip(0.85, 1.8))[owner]
    share = canvas.tensor(canvas.uniform(0.28, 0.5) * rng.uniform(0.85, 1.15, count))[owner]
    rows, columns = canvas.coordinates()
    for length, slope in ((8.0, canvas.uniform(0.05, 0.3)), (2.0, canvas.uniform(0.03, 0.16))):
        rows = rows + slope * length * spacing * smooth_field(canvas, length * spacing)
        columns = columns + slope * length * spacing * smooth_field(canvas, length * spacing)
    position = (rows * torch.sin(angle) + columns * torch.cos(angle)) / period
    along = (rows * torch.cos(angle) - columns * torch.sin(angle)) / period
    plate = torch.floor(position).long()
    table = canvas.tensor(rng.uniform(0, 1, (4096, 3)))
    off, thick, start = table[(owner * 977 + plate * 31) % 4096].unbind(dim=-1)
    distance = (position - plate - 0.5 + 0.24 * (off - 0.5)).abs() * period
    half = (0.5 * share * period * (0.8 + 0.4 * thick)).clamp_min(1.1)
    half = half * (1 + 0.12 * smooth_field(canvas, spacing)) * _unbroken(canvas, along, start, spacing)
    return torch.minimum(half - distance, colonies.depth - 0.8)


def _unbroken(canvas: Canvas, along: Tensor, start: Tensor, spacing: float) -> Tensor:
    """Relative thickness along every plate, in [0, 1.2]; 0 where it is broken. ``along`` in spacings, (H, W)."""
    spheroidised = canvas.chance(0.3)
    wavelength = canvas.uniform(1.6, 3.5) if spheroidised else canvas.uniform(4.0, 12.0)
    beads = torch.cos(2 * math.pi * (along / wavelength / (0.75 + 0.5 * start) + start) + smooth_field(canvas, spacing))
    whole = canvas.uniform(0.3, 0.9) if spheroidised else canvas.uniform(0.9, 1.5)
    region = canvas.uniform(0.1, 0.5) * smooth_field(canvas, 8 * spacing)
    stay = (beads + whole + region + 0.25 * smooth_field(canvas, 1.2 * spacing)).clamp(0, 1.4)
    return torch.sqrt(stay)  # the root of a straight fall is a round end


def _grey(canvas: Canvas, colonies: Cells, mask: Tensor, ferrite: Tensor, spacing: float) -> Tensor:
    count = int(colonies.owner.max()) + 1
    bright = canvas.chance(0.6)
    step = canvas.uniform(0.16, 0.42) * (1 if bright else -1)
    contrast = canvas.tensor(canvas.rng.uniform(0.7, 1.2, count))[colonies.owner]  # plates lie at different tilts
    level = canvas.tensor(canvas.rng.normal(0, 1, count)).clamp(-2, 2)[colonies.owner]
    grey = (0.38 if bright else 0.6) + step * contrast * mask + canvas.uniform(0.0, 0.04) * level
    if bright:  # the matrix is etched deepest in the middle between plates
        grey = grey - canvas.uniform(0.0, 0.12) * (1 - gaussian_blur(mask.float(), 0.25 * spacing)) * ~mask
    grey = grey + (canvas.uniform(-0.02, 0.08) if bright else 0.05) * ferrite
    if canvas.chance(0.5):
        lines = etched_lines(canvas, colonies, canvas.uniform(0.4, 0.8))
        grey = grey + canvas.uniform(0.04, 0.15) * (1 if bright else -1) * lines * ~mask
    return grey + canvas.uniform(0.0, 0.015) * smooth_field(canvas, spacing)

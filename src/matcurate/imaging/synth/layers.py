"""Coatings in cross-section: substrate, oxide layer with cracks, top coat or mounting resin."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from matcurate.imaging.synth.canvas import Canvas, gaussian_blur, smooth_field
from matcurate.imaging.synth.cracks import Stroke, branched, crack, stroked
from matcurate.imaging.synth.scene import Scene, components, kind


@kind(("other", "oxide", "crack"), 100.0)
def layers(canvas: Canvas) -> Scene:
    """An oxide layer (class 1) between substrate and top coat (both class 0), with cracks through the oxide (class 2).

    Interfaces are rough; the top coat is dense, porous or gone (resin instead); a delamination may run under the oxide.
    Pores inside the oxide are oxide, as an expert measures a layer's thickness; pores and cracks elsewhere are class 0.
    Instances are the connected pieces of oxide (a crack right through separates two) and of crack.
    """
    stack = _stack(canvas)
    layer = (stack.above > 0) & (stack.below > 0)
    depth = stroked(canvas, _through(canvas, stack))
    oxide = components(layer & (depth <= 0), smallest=max(24, int(0.004 * layer.sum())))
    slivers = (oxide == 0) & (depth > -1)  # between a crack and its branch
    cracks = components(layer & ((depth > 0) | slivers), smallest=4)
    phases = (oxide > 0).long() + 2 * (cracks > 0).long()
    instances = torch.where(cracks > 0, cracks + oxide.max(), oxide)
    edges = gaussian_blur((depth > 0).float(), 1.2) * (depth <= 0)
    return Scene(_grey(canvas, stack, depth), phases, instances, edges)


@dataclass(frozen=True, slots=True, eq=False)
class _Stack:
    """Distances in pixels (H, W): below the upper face of the oxide, above its lower face, and along the layer.

    ``turn`` says which way is down: quarter turns of the picture; ``top``, ``thickness`` and ``across`` are pixels.
    """

    above: Tensor
    below: Tensor
    along: Tensor
    turn: int
    top: float
    thickness: float
    across: int


def _stack(canvas: Canvas) -> _Stack:
    turn = 0 if canvas.chance(0.75) else int(canvas.rng.integers(1, 4))
    rows, columns = canvas.coordinates()
    down = (rows, columns, canvas.height - 1 - rows, canvas.width - 1 - columns)[turn]
    along = (columns, rows)[turn % 2]
    across, length = (canvas.height, canvas.width) if turn % 2 == 0 else (canvas.width, canvas.height)
    thickness = canvas.uniform(0.1, 0.34) * across
    top = canvas.uniform(0.22, 0.72 - thickness / across) * across
    tilt = math.tan(canvas.uniform(-0.1, 0.1)) * (along - length / 2)
    bend = canvas.uniform(0.0, 0.35) * thickness * _profile(canvas, along / length, 2)
    upper = top + tilt + bend + canvas.uniform(0.02, 0.1) * thickness * _profile(canvas, along / length, 9)
    lower = (
        top
        + thickness
        + tilt
        + 0.8 * bend
        + canvas.uniform(0.02, 0.08) * thickness * _profile(canvas, along / length, 7)
    )
    fine = max(0.05 * thickness, 1.2)
    rough = canvas.uniform(0.3, 0.9) * fine * smooth_field(canvas, fine)
    if canvas.chance(0.5):  # scalloped, where the oxide has grown into the coat
        rough = rough - (canvas.uniform(0.6, 1.6) * fine * (smooth_field(canvas, 2.2 * fine) - 0.8)).clamp_min(0) * 2
    calm = canvas.uniform(0.3, 0.8) * 0.4 * fine * smooth_field(canvas, 0.8 * fine)
    return _Stack(down - upper + rough, lower - down + calm, along, turn, top, thickness, across)


def _profile(canvas: Canvas, along: Tensor, waves: int) -> Tensor:
    """Random height of an interface, about unit amplitude; ``along`` in lengths of the picture, (H, W)."""
    height = torch.zeros_like(along)
    for order in range(1, waves + 1):
        phase, frequency = canvas.uniform(0, 2 * math.pi), order * canvas.uniform(0.6, 1.1)
        height = height + canvas.uniform(0.3, 1.0) / math.sqrt(order) * torch.cos(
            2 * math.pi * frequency * along + phase
        )
    return height


def _through(canvas: Canvas, stack: _Stack) -> list[Stroke]:
    """Cracks from the upper face down, most of them right through; and fine ones that stay inside."""
    size = (canvas.width, canvas.height)[stack.turn % 2]
    strokes: list[Stroke] = []
    place = canvas.uniform(0.05, 0.3) * size
    gap = canvas.uniform(0.5, 2.0) * stack.thickness
    down = (math.pi / 2, 0.0, -math.pi / 2, math.pi)[stack.turn]
    while place < size:
        start = _upper_face(canvas, stack, place)
        complete = canvas.chance(0.7)
        length = stack.thickness * (canvas.uniform(1.3, 1.6) if complete else canvas.uniform(0.3, 0.8))
        half = max(canvas.uniform(0.0012, 0.006) * stack.across, 0.75) * (1 if complete else 0.7)
        stem = crack(canvas, start, down + float(canvas.rng.normal(0, 0.16)), length, half)
        strokes += branched(canvas, stem, int(canvas.chance(0.25)))
        place += gap * canvas.uniform(0.5, 1.8) + 6
    return strokes


def _upper_face(canvas: Canvas, stack: _Stack, place: float) -> tuple[float, float]:
    """(row, column) just above the oxide at ``place`` pixels along the layer."""
    if stack.turn % 2 == 0:
        column = min(int(place), canvas.width - 1)
        row = float(stack.above[:, column].abs().argmin())
        return row - 2 * (1 - stack.turn), float(column)
    line = min(int(place), canvas.height - 1)
    column_at = float(stack.above[line].abs().argmin())
    return float(line), column_at - 2 * (2 - stack.turn)


def _grey(canvas: Canvas, stack: _Stack, crack_depth: Tensor) -> Tensor:
    base = canvas.uniform(0.34, 0.5)
    step = canvas.uniform(0.05, 0.16) * (-1 if canvas.chance(0.8) else 1)
    dark = canvas.uniform(0.03, 0.12)
    substrate = _with_pores(canvas, stack, base, dark, canvas.uniform(0.002, 0.03), flat=1.5)
    oxide = _with_pores(canvas, stack, base + step, dark + 0.08, canvas.uniform(0.003, 0.05), flat=2.5)
    top = _resin(canvas, stack, base) if canvas.chance(0.25) else _coat(canvas, stack, dark)
    inner = torch.sigmoid(stack.below / 0.6)
    grey = torch.where(stack.above > 0, inner * oxide + (1 - inner) * substrate, top)
    if canvas.chance(0.5):  # a fine dark seam at the substrate
        grey = grey - canvas.uniform(0.03, 0.12) * torch.exp(-0.5 * (stack.below / 1.0) ** 2) * (stack.above > 0)
    if canvas.chance(0.3):  # delamination just under the oxide
        open_ = canvas.uniform(0.01, 0.05) * stack.thickness * (1 + smooth_field(canvas, 0.6 * stack.thickness))
        lies = (stack.below < -0.3) & (stack.below > -0.3 - 2 * open_) & (stack.above > 0)
        grey = torch.where(lies, dark, grey)
    return torch.where((crack_depth > 0) & (stack.above > -1.5), dark + 0.03, grey)


def _with_pores(canvas: Canvas, stack: _Stack, level: float, dark: float, share: float, flat: float) -> Tensor:
    """A dense material with dark pores drawn out along the layer by ``flat``; float (H, W)."""
    length = max(canvas.uniform(0.005, 0.014) * stack.across, 1.2)
    field = smooth_field(canvas, length, (1.0, flat) if stack.turn % 2 == 0 else (flat, 1.0))
    field = field + 0.5 * smooth_field(canvas, 6 * length)
    pores = torch.sigmoid((field - _quantile(field, 1 - share)) / 0.05)
    body = level + canvas.uniform(0.004, 0.014) * smooth_field(canvas, canvas.uniform(1.5, 8.0))
    return body + (dark - body) * pores


def _coat(canvas: Canvas, stack: _Stack, dark: float) -> Tensor:
    """Sprayed top coat: bright splats, grey seams of a second constituent, pores of several sizes; float (H, W)."""
    coat = _with_pores(canvas, stack, canvas.uniform(0.72, 0.9), dark, canvas.uniform(0.01, 0.06), flat=1.8)
    if canvas.chance(0.6):
        length = canvas.uniform(0.02, 0.05) * stack.across
        lobes = smooth_field(canvas, length, (1.0, 2.0) if stack.turn % 2 == 0 else (2.0, 1.0))
        ragged = (lobes.abs() + 0.07 * smooth_field(canvas, 2.0)) < canvas.uniform(0.05, 0.22)  # seams between splats
        coat = torch.where(ragged, coat - canvas.uniform(0.12, 0.35), coat)
    if canvas.chance(0.6):
        large = smooth_field(canvas, canvas.uniform(0.012, 0.028) * stack.across)
        large = large + 0.1 * smooth_field(canvas, 2.0)
        if canvas.chance(0.4):  # a chain of pores where coat and oxide come apart
            large = large + canvas.uniform(0.6, 1.6) * torch.exp(-0.5 * (stack.above / (0.02 * stack.across)) ** 2)
        hole = torch.sigmoid((large - _quantile(large, 1 - canvas.uniform(0.02, 0.1))) / 0.06)
        coat = coat + (dark + 0.05 - coat) * hole
    return coat.clamp_min(dark)


def _resin(canvas: Canvas, stack: _Stack, base: float) -> Tensor:
    """Mounting resin: even, darker or lighter towards the specimen; float (H, W)."""
    away = (-stack.above / (0.25 * stack.across)).clamp(0, 1)
    level = base * canvas.uniform(0.25, 0.6) + canvas.uniform(0.0, 0.2) * away
    return level + 0.01 * smooth_field(canvas, canvas.uniform(3, 12))


def _quantile(field: Tensor, share: float) -> Tensor:
    ordered = field.flatten().sort().values
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]

"""Dendrites of a casting, a weld or a single crystal, and the same as a slice through a tomogram."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from matcurate.imaging.synth.canvas import Canvas, band_field, gaussian_blur, smooth_field
from matcurate.imaging.synth.cells import laguerre
from matcurate.imaging.synth.grains import polycrystal
from matcurate.imaging.synth.placement import hard_core, jittered_lattice, scattered
from matcurate.imaging.synth.scene import Scene, kind, numbered, pieces


@kind(("interdendritic", "dendrite"), 1000.0)
def dendrites(canvas: Canvas) -> Scene:
    """Dendrites (class 1) in an interdendritic matrix (class 0).

    Three sections: equiaxed crosses of any direction, the transverse section of a directionally solidified casting
    (crosses of one direction on a lattice), and its longitudinal section (parallel trunks with arms on both sides).
    One picture in five is a slice through a tomogram: outside the circular field of view there is nothing (class 0).
    Instances are the connected parts of one dendrite in the section; an arm with its root out of the plane is its own.
    """
    trunk_spacing = max(canvas.uniform(0.14, 0.38) * canvas.unit, 30.0)
    arm_spacing = max(canvas.uniform(0.1, 0.18) * trunk_spacing, 5.0)
    section = _trunks(canvas, trunk_spacing) if canvas.chance(0.35) else _crosses(canvas, trunk_spacing)
    depth = _arms(canvas, section, trunk_spacing, arm_spacing)
    mask = depth > 0
    grey = _grey(canvas, section, depth, arm_spacing)
    if canvas.chance(0.2):
        inside, grey = _tomogram(canvas, grey)
        mask = mask & inside
    instances = pieces((section.dendrite + 1) * mask, smallest=12)
    return Scene(grey, (instances > 0).long(), instances, torch.zeros_like(grey))


@dataclass(frozen=True, slots=True, eq=False)
class _Section:
    """Where a pixel lies in its dendrite: along and beside (>= 0) the nearest trunk, and how far inside its territory.

    ``dendrite`` and ``side`` are ids (H, W), the latter of one side of one trunk; ``limit`` bounds the arms, in pixels.
    """

    along: Tensor
    beside: Tensor
    depth: Tensor
    limit: Tensor
    dendrite: Tensor
    side: Tensor


def _crosses(canvas: Canvas, spacing: float) -> _Section:
    """Four trunks in the plane from the middle of every dendrite."""
    main = canvas.uniform(0, math.pi / 2)
    if canvas.chance(0.5):
        seeds = jittered_lattice(canvas, spacing, canvas.uniform(0.05, 0.15), main + canvas.uniform(0, 0.8))
        angles = main + canvas.rng.normal(0, 0.04, len(seeds))
    else:
        area = (canvas.height + 2 * spacing) * (canvas.width + 2 * spacing)
        seeds = scattered(canvas, int(6 * area / spacing**2) + 8, spacing)
        seeds = seeds[hard_core(seeds, np.full(len(seeds), 0.4 * spacing), 0.0)]
        angles = canvas.rng.uniform(0, math.pi / 2, len(seeds))
    warped = _bent(canvas, spacing)
    places = canvas.tensor(seeds)
    cells = laguerre(warped, places, torch.zeros(len(seeds), device=canvas.device))
    turn = canvas.tensor(angles)[cells.owner]
    down, right = warped - places[cells.owner].permute(2, 0, 1)
    first = down * torch.sin(turn) + right * torch.cos(turn)
    second = down * torch.cos(turn) - right * torch.sin(turn)
    along, beside = torch.maximum(first.abs(), second.abs()), torch.minimum(first.abs(), second.abs())
    octant = (first.abs() > second.abs()).long() * 4 + (first > 0).long() * 2 + (second > 0).long()
    return _Section(along, beside, cells.depth, 0.93 * along, cells.owner, cells.owner * 8 + octant)


def _trunks(canvas: Canvas, spacing: float) -> _Section:
    """Parallel trunks; a few grains, each with its direction of growth."""
    grains = polycrystal(canvas, canvas.uniform(2.0, 6.0) * spacing, 0.3)
    count = int(grains.owner.max()) + 1
    turn = canvas.tensor(canvas.rng.uniform(0, math.pi) + canvas.rng.normal(0, 0.5, count))[grains.owner]
    down, right = _bent(canvas, spacing)
    along = down * torch.sin(turn) + right * torch.cos(turn)
    across = down * torch.cos(turn) - right * torch.sin(turn)
    strip = torch.floor(across / spacing).long()
    dendrite = numbered(grains.owner * 1024 + strip + 513) - 1
    table = canvas.tensor(canvas.rng.uniform(0, 1, 4096))
    off = across - (strip + 0.5 + 0.16 * (table[dendrite % 4096] - 0.5)) * spacing
    wall = torch.minimum(torch.remainder(across, spacing), spacing - torch.remainder(across, spacing))
    sweep = canvas.uniform(0.0, 0.6)  # arms lean towards the tip
    along = along - sweep * off.abs() + spacing * table[(dendrite * 7 + 3) % 4096] + 4096
    side = dendrite * 2 + (off > 0)
    limit = torch.full_like(along, 0.62 * spacing)
    return _Section(along, off.abs(), torch.minimum(wall, grains.depth), limit, dendrite, side)


def _bent(canvas: Canvas, spacing: float) -> Tensor:
    """Coordinates (2, H, W) bent so that trunks are not ruler-straight."""
    bend = torch.stack([smooth_field(canvas, 0.35 * spacing) for _ in range(2)])
    return canvas.coordinates() + canvas.uniform(0.01, 0.045) * spacing * bend


def _arms(canvas: Canvas, section: _Section, trunk_spacing: float, arm_spacing: float) -> Tensor:
    """Depth below the outline of trunk and arms in pixels, negative outside; float (H, W)."""
    table = canvas.tensor(canvas.rng.uniform(0, 1, (4096, 3)))
    order = torch.floor(section.along / arm_spacing)
    place, width, length = table[(section.side * 131 + order.long() * 17) % 4096].unbind(dim=-1)
    half = arm_spacing * canvas.uniform(0.25, 0.34) * (0.75 + 0.5 * width)
    half = half * (0.72 + 0.28 * (section.beside / (1.5 * arm_spacing)).clamp(0, 1))  # necks at the root
    beside = (section.along - (order + 0.5 + 0.3 * (place - 0.5)) * arm_spacing).abs()
    gap = max(canvas.uniform(0.12, 0.35) * arm_spacing, 1.0)
    # An arm ends in a round tip, short of the arms it meets on the diagonal and at its own distance from the next cell.
    beyond = section.beside - section.limit * (0.7 + 0.3 * length)
    beyond = torch.maximum(beyond, gap * (0.7 + 3.5 * length**2) - section.depth)
    arm = half - torch.hypot(beside, (beyond + half).clamp_min(0))
    trunk = canvas.uniform(0.35, 0.55) * arm_spacing + 0.015 * trunk_spacing - section.beside
    soft = 0.1 * arm_spacing
    depth = soft * torch.logsumexp(torch.stack([arm, trunk]) / soft, dim=0)
    out_of_plane = canvas.uniform(0.0, 0.25) * arm_spacing * (smooth_field(canvas, 0.3 * trunk_spacing) - 0.4)
    rough = canvas.uniform(0.05, 0.13) * arm_spacing * smooth_field(canvas, 0.35 * arm_spacing)
    return torch.minimum(depth + out_of_plane.clamp_max(0.05 * arm_spacing) + rough, section.depth - gap)


def _grey(canvas: Canvas, section: _Section, depth: Tensor, arm_spacing: float) -> Tensor:
    step = canvas.uniform(0.14, 0.34) * (1 if canvas.chance(0.5) else -1)
    inside = torch.sigmoid(depth / canvas.uniform(0.25, 0.7))
    core = (depth / (0.5 * arm_spacing)).clamp(-1, 1)  # microsegregation: cores solidify first
    grey = 0.48 + step * (inside - 0.5) + canvas.uniform(0.0, 0.3) * step * core
    count = int(section.dendrite.max()) + 1
    grey = grey + canvas.uniform(0.0, 0.03) * canvas.tensor(canvas.rng.normal(0, 1, count))[section.dendrite]
    eutectic = band_field(canvas, canvas.uniform(3.5, 7.0), 0.4)
    if canvas.chance(0.6):
        grey = grey + canvas.uniform(0.01, 0.07) * eutectic * (1 - inside)
    if canvas.chance(0.35):  # carbides or intermetallics at the last liquid
        last = ((eutectic > 1.3) & (depth < -0.12 * arm_spacing)).float()
        grey = grey - 0.8 * step * gaussian_blur(last, 0.6)
    return grey + canvas.uniform(0.0, 0.02) * smooth_field(canvas, arm_spacing)


def _tomogram(canvas: Canvas, grey: Tensor) -> tuple[Tensor, Tensor]:
    """Field of view (bool, H, W) and grey levels with ring artefacts and cupping; blank outside."""
    radius = canvas.from_axis()
    edge = canvas.uniform(0.44, 0.56) * min(canvas.height, canvas.width)
    profile = canvas.white(1, int(radius.max()) + 2)
    ring = (0.7 * gaussian_blur(profile, 0.7) + 0.3 * gaussian_blur(profile, 3.0))[0][radius.long()]
    grey = grey + canvas.uniform(0.0, 0.03) * ring + canvas.uniform(0.0, 0.08) * ((radius / edge) ** 2 - 0.5)
    grey = 0.48 + canvas.uniform(0.5, 0.9) * (gaussian_blur(grey, canvas.uniform(0.6, 1.2)) - 0.48)
    inside = radius < edge
    return inside, torch.where(inside, grey, canvas.uniform(0.0, 0.25))

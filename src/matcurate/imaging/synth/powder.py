"""Powders and particles on a substrate in the scanning electron microscope: shaded, touching, in several layers."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matcurate.imaging.synth.canvas import Canvas, band_field, gaussian_blur, smooth_field
from matcurate.imaging.synth.cracks import branched, crack, stroked
from matcurate.imaging.synth.outlines import Stamp, stamps
from matcurate.imaging.synth.placement import FloatPoints, hard_core, lognormal_radii, scattered
from matcurate.imaging.synth.populations import Arrangement, habit, populations
from matcurate.imaging.synth.scene import Scene, kind, pieces, within_range


@kind(("substrate", "particle"), 20.0)
def powder(canvas: Canvas) -> Scene:
    """Particles (class 1) that shade and cover each other: a heap of up to three layers, or few on a substrate.

    Bright rims, light from one side, shadows between them; smooth, rough, faceted or covered with fines. The substrate
    is smooth, rough, cracked or littered (class 0), and so are the dark gaps of a heap with what is seen at their
    bottom. Instances are the visible parts of at least six pixels.
    """
    if canvas.chance(0.4):
        layers = _heap(canvas)
    else:
        layers = [_Layer(*populations(canvas), 1.0, True)]
    if canvas.chance(0.2):
        layers.append(_fines(canvas, layers[-1]))
    light = _Light.drawn(canvas)
    grey = _substrate(canvas).cpu().numpy()
    shape = (canvas.height, canvas.width)
    owner, depth = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.float32)
    count = 0
    for layer in layers:
        own = np.clip(1 + light.spread * canvas.rng.standard_normal(len(layer.outlines)), 0.5, 1.5)
        for stamp in stamps(canvas, layer.place.centres, layer.outlines, reach=0.6):
            count += 1
            light.paint(grey, stamp, layer.tone * own[stamp.index])
            owner[stamp.window][stamp.inside] = count if layer.labelled else 0
            depth[stamp.window][stamp.inside] = stamp.depth[stamp.inside]
    instances = pieces(torch.as_tensor(owner, device=canvas.device), smallest=6)
    mask, below = instances > 0, torch.as_tensor(depth, device=canvas.device)
    image = torch.as_tensor(grey, device=canvas.device) + _surface(canvas, mask)
    if canvas.chance(0.3):
        image = gaussian_blur(image, canvas.uniform(0.4, 1.8))
    edges = torch.exp(-0.5 * ((below - 1) / 1.0) ** 2) * mask
    return Scene(within_range(image), mask.long(), instances, edges, polished=False)


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """Particles of one height, their tone (1: the top), and whether they count as objects."""

    place: Arrangement
    outlines: list[FloatPoints]
    tone: float
    labelled: bool


@dataclass(frozen=True, slots=True)
class _Light:
    """How particles are shaded.

    ``level`` is their grey; ``rim`` the rise of steep flanks, ``dome`` that of their top, ``side`` that of flanks that
    face the detector, at ``angle``; ``flat`` the steepness of the bevel (1: round); ``shadow`` how dark the gap beside
    a particle is, ``reach`` how wide in shares of its size; ``spread`` the difference between particles.
    """

    level: float
    rim: float
    dome: float
    side: float
    angle: float
    flat: float
    shadow: float
    reach: float
    spread: float

    @classmethod
    def drawn(cls, canvas: Canvas) -> "_Light":
        """Draw the light of a picture."""
        bright_rims = canvas.chance(0.7)
        return cls(
            level=canvas.uniform(0.36, 0.58),
            rim=canvas.uniform(0.15, 0.9) if bright_rims else canvas.uniform(-0.35, 0.1),
            dome=canvas.uniform(-0.1, 0.15) if bright_rims else canvas.uniform(0.0, 0.5),
            side=canvas.uniform(0.0, 0.6),
            angle=canvas.uniform(0, 2 * np.pi),
            flat=1.0 if canvas.chance(0.6) else canvas.uniform(1.5, 6.0),
            shadow=canvas.uniform(0.1, 0.75),
            reach=canvas.uniform(0.1, 0.4),
            spread=canvas.uniform(0.0, 0.15),
        )

    def paint(self, grey: NDArray[np.float32], stamp: Stamp, tone: float) -> None:
        """Paint one particle over ``grey`` (H, W), and its shadow around it."""
        view, inside = grey[stamp.window], stamp.inside
        around = np.exp(np.minimum(stamp.depth, 0) / max(self.reach * stamp.size, 0.8))
        view *= 1 - self.shadow * around
        inward = np.clip(stamp.depth / stamp.size * self.flat, 0, 1)
        steep = 1 - inward
        soft = cv2.GaussianBlur(stamp.depth, (0, 0), max(0.08 * stamp.size, 0.5)) if stamp.size > 2 else stamp.depth
        down, right = np.gradient(soft) if min(soft.shape) > 1 else (np.zeros_like(soft),) * 2
        facing = -(np.sin(self.angle) * down + np.cos(self.angle) * right) * steep
        top = np.sqrt(np.clip(1 - steep**2, 0, 1))
        lit = 1 + self.rim * steep**4 + self.dome * (top - 0.5) + self.side * facing
        view[inside] = (self.level * tone * lit)[inside]


def _heap(canvas: Canvas) -> list[_Layer]:
    """Layers from the bottom up, each covering less; the lowest is dark and no object."""
    rng, unit = canvas.rng, canvas.unit
    median = max(3.0, float(np.exp(rng.uniform(np.log(0.02 * unit), np.log(0.13 * unit)))))
    spread, shape = canvas.uniform(0.03, 0.45), habit(canvas)
    overlap = canvas.uniform(0.0, 0.35) * median
    layers = []
    tones = [canvas.uniform(0.15, 0.38), canvas.uniform(0.6, 0.9), 1.0]
    for tone, coverage in zip(tones, (2.0, canvas.uniform(1.0, 4.0), canvas.uniform(0.2, 3.0)), strict=True):
        count = int(np.clip(coverage * canvas.height * canvas.width / (np.pi * median**2 * (1 + spread**2)), 4, 1200))
        centres, radii = scattered(canvas, count, 0.5 * median), lognormal_radii(rng, median, spread, count)
        keep = hard_core(centres, radii, -overlap)
        centres, radii = centres[keep], radii[keep]
        place = Arrangement(centres, radii, rng.uniform(0, np.pi, len(radii)))
        layers.append(_Layer(place, shape.outlines(rng, radii, place.angles), tone, tone > 0.5))
    return layers[int(rng.integers(0, 2)) :]


def _fines(canvas: Canvas, top: _Layer) -> _Layer:
    """Small particles on larger ones."""
    rng, count = canvas.rng, int(canvas.rng.integers(5, 60))
    bearers = rng.integers(0, len(top.place.radii), count)
    radii = np.maximum(top.place.radii[bearers] * rng.uniform(0.1, 0.3, count), 3.0)
    away = top.place.radii[bearers] * rng.uniform(0, 1, count)
    angles = rng.uniform(0, 2 * np.pi, count)
    centres = top.place.centres[bearers] + away[:, None] * np.stack([np.sin(angles), np.cos(angles)], axis=1)
    outlines = habit(canvas).outlines(rng, radii, angles)
    return _Layer(Arrangement(centres, radii, angles), outlines, canvas.uniform(1.05, 1.35), True)


def _surface(canvas: Canvas, mask: Tensor) -> Tensor:
    """Roughness of the particles, seen under the same slanting light; float (H, W)."""
    texture = canvas.uniform(0.0, 0.03) * smooth_field(canvas, canvas.uniform(0.8, 3.0))
    if canvas.chance(0.4):
        length = canvas.uniform(3.0, 12.0)
        down, right = torch.gradient(band_field(canvas, length, 0.4))
        angle = canvas.uniform(0, 2 * np.pi)
        slope = float(np.sin(angle)) * down + float(np.cos(angle)) * right
        texture = texture + canvas.uniform(0.02, 0.1) * slope / slope.std().clamp_min(1e-6)
    if canvas.chance(0.12):  # cracked skin
        lines = band_field(canvas, canvas.uniform(12, 40), 0.4).abs()
        texture = texture - canvas.uniform(0.1, 0.3) * torch.exp(-((lines / 0.06) ** 2))
    return texture * mask


def _substrate(canvas: Canvas) -> Tensor:
    """Grey of what the particles lie on; float (H, W)."""
    unit = canvas.unit
    level = canvas.uniform(0.03, 0.3) if canvas.chance(0.85) else canvas.uniform(0.6, 0.85)
    ground = level + canvas.uniform(0.0, 0.12) * level * smooth_field(canvas, canvas.uniform(0.05, 0.3) * unit)
    kind = canvas.rng.choice(["smooth", "rough", "littered", "cracked"], p=[0.5, 0.25, 0.15, 0.1])
    strength = canvas.uniform(0.1, 0.4) * level
    if kind == "rough":
        down, right = torch.gradient(smooth_field(canvas, canvas.uniform(1.0, 12.0)))
        slope = down + canvas.uniform(-1, 1) * right
        ground = ground + strength * slope / slope.std().clamp_min(1e-6)
    elif kind == "littered":
        chips = smooth_field(canvas, canvas.uniform(1.2, 5.0)) - canvas.uniform(1.3, 2.2)
        ground = ground + 2.5 * strength * torch.tanh(3 * chips.clamp_min(0))
        ground = ground + 0.3 * strength * smooth_field(canvas, 2.0)
    elif kind == "cracked":
        start = (canvas.uniform(0, canvas.height), canvas.uniform(0, canvas.width))
        stem = crack(canvas, start, canvas.uniform(0, 2 * np.pi), canvas.uniform(0.5, 1.2) * unit, 1.5)
        ground = ground * (1 - 0.8 * (stroked(canvas, branched(canvas, stem, 3)) > 0).float())
        ground = ground + 0.3 * strength * smooth_field(canvas, 1.5)
    return ground.clamp_min(0.0).contiguous()

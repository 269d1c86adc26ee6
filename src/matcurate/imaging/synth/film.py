"""Nanoparticles on a carbon film in the transmission electron microscope, bright field or dark field."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matcurate.imaging.synth.canvas import Canvas, band_field, gaussian_blur, smooth_field
from matcurate.imaging.synth.outlines import Stamp, stamps
from matcurate.imaging.synth.populations import populations
from matcurate.imaging.synth.scene import Scene, kind, pieces, within_range


@kind(("film", "particle"), 1.0)
def film(canvas: Canvas) -> Scene:
    """Particles (class 1) on a film: apart, in chains and clusters, overlapping, or as islands of a monolayer.

    Round, faceted, cubes, rods, triangles or shards; solid, core and shell, hollow or porous. The film is uneven, holey
    or lacey; film, holes and spots on it are class 0. Where particles overlap both absorb, and the pixel belongs to one
    of them. One picture in four is a dark field. Instances are the visible parts of at least four pixels.
    """
    place, outlines = populations(canvas)
    body = _body(canvas)
    shape = (canvas.height, canvas.width)
    owner, thickness = np.full(shape, -1, dtype=np.int64), np.zeros(shape, dtype=np.float32)
    absorb = canvas.uniform(0.4, 2.2) * np.exp(canvas.uniform(0.0, 0.4) * canvas.rng.standard_normal(len(outlines)))
    for stamp in stamps(canvas, place.centres, outlines):
        part = body.thickness(canvas, stamp, place.centres[stamp.index])
        thickness[stamp.window] += absorb[stamp.index] * part
        owner[stamp.window][stamp.inside] = stamp.index
    instances = pieces(torch.as_tensor(owner + 1, device=canvas.device), smallest=4)
    mask = instances > 0
    grey = within_range(_imaged(canvas, mask, torch.as_tensor(thickness, device=canvas.device)))
    return Scene(grey, mask.long(), instances, torch.zeros_like(grey), polished=False)


@dataclass(frozen=True, slots=True)
class _Body:
    """How thick a particle is over its outline, 0 to about 1.

    ``core`` is where its dense core begins (share of its depth, 1: none), ``void`` the share of it that a cavity takes
    away, ``flat`` its bevel (1: round as a sphere), ``bent`` the strength of diffraction bands.
    """

    core: float
    void: float
    flat: float
    bent: float
    shell: float

    def thickness(self, canvas: Canvas, stamp: Stamp, centre: NDArray[np.float64]) -> NDArray[np.float32]:
        """Thickness (h, w) of one particle."""
        inward = np.clip(stamp.depth / stamp.size, 0, 1)
        part = np.minimum(inward * self.flat, 1)
        round_ = np.sqrt(1 - (1 - part) ** 2)
        if self.core < 1:
            inner = np.clip((inward - self.core) / (1 - self.core), 0, 1)
            dense = np.sqrt(1 - (1 - inner) ** 2)
            round_ = self.shell * round_ + (1 - self.shell) * dense - self.void * dense
        if self.bent > 0 and canvas.chance(0.5):
            rows, columns = np.ogrid[stamp.window]
            angle, length = canvas.uniform(0, np.pi), stamp.size * canvas.uniform(0.8, 3.0)
            across = np.sin(angle) * (rows - centre[0]) + np.cos(angle) * (columns - centre[1])
            wave = np.cos(2 * np.pi * across / length) if canvas.chance(0.75) else np.sign(across)  # bend contour, twin
            round_ = round_ * (1 + self.bent * wave)
        return np.asarray(np.clip(round_, 0.1, None) * stamp.inside, dtype=np.float32)


def _body(canvas: Canvas) -> _Body:
    flat = 1.0 if canvas.chance(0.5) else canvas.uniform(1.5, 8.0)
    bent = canvas.uniform(0.1, 0.4) if canvas.chance(0.35) else 0.0
    kind = canvas.rng.choice(["solid", "core", "hollow"], p=[0.7, 0.18, 0.12])
    if kind == "core":
        return _Body(canvas.uniform(0.15, 0.7), 0.0, flat, 0.0, canvas.uniform(0.15, 0.5))
    if kind == "hollow":
        return _Body(canvas.uniform(0.1, 0.5), canvas.uniform(0.3, 0.75), 1.0, 0.0, 1.0)
    return _Body(1.0, 0.0, flat, bent, 1.0)


def _imaged(canvas: Canvas, mask: Tensor, thickness: Tensor) -> Tensor:
    """Grey of film and particles; float (H, W)."""
    if canvas.chance(0.3):  # porous or grainy particles
        thickness = thickness * (1 + canvas.uniform(0.1, 0.35) * band_field(canvas, canvas.uniform(3, 9), 0.4))
    if canvas.chance(0.12):  # decorated with smaller, denser particles
        dots = smooth_field(canvas, canvas.uniform(1.2, 3.0)) > canvas.uniform(1.2, 2.0)
        thickness = thickness + canvas.uniform(0.3, 0.9) * gaussian_blur(dots.float(), 0.6) * mask
    support = _support(canvas).clamp_min(0)
    if canvas.chance(0.75):
        grey = 0.85 * torch.exp(-support - thickness.clamp_min(0))
    else:  # dark field: what scatters is bright
        grey = 0.08 + 0.75 * (1 - torch.exp(-0.6 * support - thickness.clamp_min(0)))
    if canvas.chance(0.4):  # Fresnel fringe
        near = gaussian_blur(mask.float(), canvas.uniform(0.8, 2.5))
        grey = grey + canvas.uniform(-0.06, 0.14) * near * ~mask
    grey = grey + _unevenness(canvas)
    if canvas.chance(0.45):  # out of focus
        grey = gaussian_blur(grey, canvas.uniform(0.4, 2.6))
    speckle = band_field(canvas, canvas.uniform(2.5, 6.0), canvas.uniform(0.3, 0.6))
    return grey + (canvas.uniform(0.015, 0.08) if canvas.chance(0.4) else canvas.uniform(0, 0.015)) * speckle


def _unevenness(canvas: Canvas) -> Tensor:
    """Illumination: a slope and a bright middle; float (H, W)."""
    rows, columns = canvas.coordinates()
    y, x = rows / canvas.height - canvas.uniform(0.3, 0.7), columns / canvas.width - canvas.uniform(0.3, 0.7)
    shade: Tensor = -canvas.uniform(0.0, 0.25) * (x**2 + y**2) + canvas.uniform(-0.08, 0.08) * x
    return shade


def _support(canvas: Canvas) -> Tensor:
    """Absorption of the carbon film with holes, a lacey net, spots and wrinkles; float (H, W)."""
    unit = canvas.unit
    film = 0.12 + canvas.uniform(0.0, 0.04) * smooth_field(canvas, canvas.uniform(0.03, 0.2) * unit)
    film = film + canvas.uniform(0.0, 0.02) * smooth_field(canvas, canvas.uniform(1.5, 6.0))
    kind = canvas.rng.choice(["whole", "holey", "lacey", "spotted"], p=[0.55, 0.12, 0.15, 0.18])
    if kind == "holey":
        rows, columns = canvas.coordinates()
        spacing, size = canvas.uniform(0.5, 1.2) * unit, canvas.uniform(0.25, 0.4)
        y, x = (torch.remainder(at / spacing + canvas.uniform(0, 1), 1) - 0.5 for at in (rows, columns + 0.2 * rows))
        from_rim = (torch.hypot(y, x) - size) * spacing
        film = film + canvas.uniform(0.1, 0.35) * torch.sigmoid(from_rim / 1.0) - 0.1
    elif kind == "lacey":
        net = smooth_field(canvas, canvas.uniform(0.08, 0.2) * unit).abs()
        width = canvas.uniform(0.08, 0.3)
        film = film + canvas.uniform(0.1, 0.3) * torch.sigmoid((width - net) / 0.02)
    elif kind == "spotted":
        spots = smooth_field(canvas, canvas.uniform(2.0, 0.03 * unit + 2.5)) - canvas.uniform(1.2, 2.0)
        film = film + canvas.uniform(0.02, 0.12) * torch.tanh(spots.clamp_min(0) / 0.3)
    if canvas.chance(0.15):  # wrinkles
        fold = smooth_field(canvas, 0.15 * unit)
        film = film + canvas.uniform(0.03, 0.12) * torch.exp(-((fold / 0.02) ** 2))
    return film

"""Slices through X-ray tomograms, with the artefacts of reconstruction.

Barrett, Keat (2004). Artifacts in CT: recognition and avoidance. RadioGraphics 24, 1679. Riederer, Pelc, Chesler
(1978). The noise power spectrum in computed X-ray tomography. Phys. Med. Biol. 23, 446.
"""

import math

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matcurate.imaging.synth.canvas import Canvas, gaussian_blur, smooth_field
from matcurate.imaging.synth.outlines import Shape, stamped
from matcurate.imaging.synth.placement import FloatPoints, hard_core, lognormal_radii, monolayer, scattered
from matcurate.imaging.synth.scene import Overprint, Scene, kind, pieces, within_range

VIEWS = 72
"""Directions of projection. Fewer than a scanner takes, so the streaks between dense objects are stronger."""
WIDEST = 640
"""Pixels across which the artefacts are computed; a larger slice gets them enlarged."""

Floats = NDArray[np.float32]


@kind(("matrix", "object"), 2000.0)
def tomogram(canvas: Canvas) -> Scene:
    """Dense particles, fibres or pores (class 1) in a matrix, seen in a round field of view.

    Beam hardening, streaks between dense objects and correlated noise come from projecting the section and filtering it
    back; rings are added around the axis. Outside the field of view the picture is blank in most slices (class 0).
    Instances are the single sections of at least four pixels.
    """
    style = str(canvas.rng.choice(["particles", "fibres", "pores"], p=[0.5, 0.2, 0.3]))
    field = _field_of_view(canvas)
    owner = torch.as_tensor(_sections(canvas, style), device=canvas.device)
    instances = pieces(owner * (field > 1), smallest=4)
    mask = instances > 0
    step = canvas.uniform(0.14, 0.4) * (-1 if style == "pores" else 1)
    spread = canvas.uniform(0.0, 0.25) * (style == "particles")
    own = canvas.tensor(1 + spread * canvas.rng.standard_normal(int(owner.max()) + 1)).clamp(0.4, 1.6)[owner]
    density = 0.4 + step * own * mask + canvas.uniform(0.0, 0.02) * smooth_field(canvas, canvas.uniform(5, 40))
    grey = gaussian_blur(density, canvas.uniform(0.5, 1.6))
    strength = abs(step)
    grey = grey + canvas.uniform(0.0, 0.3) * strength * _hardening(canvas, density * (field > 0), style != "pores")
    grey = grey + canvas.uniform(0.03, 0.4) * strength * _noise(canvas)
    grey = grey + canvas.uniform(0.0, 0.2) * strength * _rings(canvas)
    blank = None
    if canvas.chance(0.8):
        outside = canvas.uniform(0.0, 0.15) if canvas.chance(0.5) else canvas.uniform(0.15, 0.6)
        blank = Overprint(torch.where(field > 0, torch.nan, outside))
    grey = within_range(grey)
    return Scene(grey, mask.long(), instances, torch.zeros_like(grey), polished=False, printed=blank)


def _field_of_view(canvas: Canvas) -> Tensor:
    """Distance inside the rim of the field of view in pixels, negative outside; float (H, W)."""
    distance, short = canvas.from_axis(), min(canvas.height, canvas.width)
    radius = canvas.uniform(0.44, 0.56) * short if canvas.chance(0.7) else canvas.uniform(0.6, 1.5) * short
    return radius - distance


def _sections(canvas: Canvas, style: str) -> NDArray[np.int64]:
    """Numbers 1 … n of the objects, 0 outside, (H, W)."""
    rng, unit = canvas.rng, canvas.unit
    median = max(2.0, float(np.exp(rng.uniform(np.log(0.007 * unit), np.log(0.07 * unit)))))
    if style == "fibres":
        centres, radii = _bundle(canvas, median)
        shape = Shape(0, (1.0, canvas.uniform(1.0, 2.2)), wobble=0.01)
        angles = canvas.uniform(0, np.pi) + rng.normal(0, 0.15, len(radii))
    else:
        centres, radii = _loose(canvas, median)
        shape = _habit(canvas, style)
        angles = rng.uniform(0, np.pi, len(radii))
    return stamped(canvas, centres, shape.outlines(rng, radii, angles))[0] + 1


def _habit(canvas: Canvas, style: str) -> Shape:
    if style == "pores":
        return Shape(0, (1.0, canvas.uniform(1.1, 2.2)), wobble=canvas.uniform(0.0, 0.25), waves=6)
    round_, angular = (
        Shape(0, (1.0, canvas.uniform(1.05, 2.0)), wobble=canvas.uniform(0.0, 0.2), waves=7),
        Shape(int(canvas.rng.integers(5, 9)), (1.0, 1.8), canvas.uniform(0.15, 0.4), 0.015, 0.04, waves=12),
    )
    return round_ if canvas.chance(0.55) else angular


def _loose(canvas: Canvas, median: float) -> tuple[FloatPoints, NDArray[np.float64]]:
    """Objects of very different size, few or densely packed: centres (N, 2), radii (N,)."""
    spread = canvas.uniform(0.1, 0.6)
    most = canvas.height * canvas.width / (np.pi * median**2 * math.exp(2 * spread**2))
    count = int(np.clip(canvas.uniform(0.05, 1.6) * most, 6, 1500))
    centres, radii = scattered(canvas, count, 0.0), lognormal_radii(canvas.rng, median, spread, count)
    centres[:3] = np.array([canvas.height, canvas.width]) * canvas.rng.uniform(0.35, 0.65, (3, 2))
    keep = hard_core(centres, radii, canvas.uniform(-0.3, 0.3) * median)
    return centres[keep], radii[keep]


def _bundle(canvas: Canvas, median: float) -> tuple[FloatPoints, NDArray[np.float64]]:
    """Fibres side by side, with gaps where resin is: centres (N, 2), radii (N,)."""
    radius = max(median, 3.0)
    spacing = radius * canvas.uniform(1.95, 3.2)
    centres = monolayer(canvas, spacing, canvas.uniform(0.05, 0.15), canvas.uniform(0, np.pi), square=False)
    rich = smooth_field(canvas, canvas.uniform(2, 8) * radius).cpu().numpy()
    density = rich[canvas.pixels_at(centres)]
    centres = centres[density >= min(canvas.uniform(-2.5, 0.2), float(np.median(density)))]
    return centres, radius * canvas.rng.uniform(0.85, 1.05, len(centres))


def _hardening(canvas: Canvas, density: Tensor, dense: bool) -> Tensor:
    """What filtered back-projection makes of beam hardening: cupping and streaks; unit variance, float (H, W).

    Hardening lowers a line integral p by about p² (Barrett and Keat 2004). With ``dense`` the dense parts weigh more,
    so that streaks join them.
    """
    shrink = min(1.0, max(0.5, 48 / min(density.shape)), WIDEST / max(density.shape))
    section = np.asarray(density.cpu().numpy(), dtype=np.float32)
    small = np.asarray(cv2.resize(section, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA), dtype=np.float32)
    small = small**3 if dense else small
    size = math.ceil(math.hypot(*small.shape)) + 2
    frequency = np.abs(np.fft.rfftfreq(2 * size))
    ramp = frequency * np.cos(np.pi * frequency) ** 2
    rows, columns = (np.arange(length, dtype=np.float32) - length / 2 for length in small.shape)
    errors = np.zeros(small.shape, dtype=np.float32)
    for view in range(VIEWS):
        angle = math.pi * view / VIEWS
        line = _projected(small, angle, size)
        filtered = np.fft.irfft(np.fft.rfft(-(line**2), 2 * size) * ramp)[:size].astype(np.float32)
        at = (rows * np.float32(math.sin(angle)) + size / 2)[:, None] + columns * np.float32(math.cos(angle))
        errors += filtered.take(at.astype(np.int32))
    whole = cv2.resize(errors, (canvas.width, canvas.height), interpolation=cv2.INTER_LINEAR)
    hardening = torch.as_tensor(whole, device=canvas.device)
    return ((hardening - hardening.mean()) / hardening.std().clamp_min(1e-9)).clamp(-4, 4)


def _noise(canvas: Canvas) -> Tensor:
    """Counting noise of the projections after filtered back-projection; unit variance, float (H, W).

    Its power grows with the frequency up to where the filter's window cuts it (Riederer et al. 1978).
    """
    white = canvas.white(canvas.height, canvas.width)
    rows = torch.fft.fftfreq(canvas.height, device=canvas.device)[:, None]
    columns = torch.fft.rfftfreq(canvas.width, device=canvas.device)[None]
    frequency = torch.hypot(rows, columns)
    cut = canvas.uniform(0.1, 0.45)
    response = torch.sqrt(frequency) * torch.exp(-((frequency / cut) ** 2))
    noise: Tensor = torch.fft.irfft2(torch.fft.rfft2(white) * response, s=white.shape)
    return noise / noise.std().clamp_min(1e-9)


def _projected(section: Floats, angle: float, size: int) -> Floats:
    """Line integrals (size,) of a section (h, w) across the direction ``angle``, its middle at size / 2."""
    height, width = section.shape
    cosine, sine = math.cos(angle), math.sin(angle)
    middle = size / 2
    turn = np.array(
        [
            [cosine, sine, middle - cosine * width / 2 - sine * height / 2],
            [-sine, cosine, middle + sine * width / 2 - cosine * height / 2],
        ]
    )
    turned = cv2.warpAffine(section, turn, (size, size), flags=cv2.INTER_LINEAR)
    return np.asarray(turned.sum(axis=0), dtype=np.float32)


def _rings(canvas: Canvas) -> Tensor:
    """Ring artefacts of unequal detector pixels around the axis, weaker outwards; float (H, W)."""
    radius, short = canvas.from_axis(), min(canvas.height, canvas.width)
    profile = canvas.white(1, int(radius.max()) + 2)
    bad = (canvas.white(1, profile.shape[1]) > 2.2).float() * profile
    ring = 0.6 * gaussian_blur(profile, 0.7) + 0.4 * gaussian_blur(profile, 3.0) + 2.0 * gaussian_blur(bad, 0.6)
    return ring[0][radius.long()] / (1 + radius / (0.3 * short))

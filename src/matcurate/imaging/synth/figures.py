"""Other kinds as they reach a reader: as annotated figures of journals, and from unsteady, defocused scans."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from matcurate.imaging.synth.annotations import annotate, blank_sheet
from matcurate.imaging.synth.assembly import mirrored
from matcurate.imaging.synth.canvas import Canvas
from matcurate.imaging.synth.fields import smooth_field
from matcurate.imaging.synth.film import Film
from matcurate.imaging.synth.particles import Particles
from matcurate.imaging.synth.phases import Phases
from matcurate.imaging.synth.pores import Pores
from matcurate.imaging.synth.powder import Powder
from matcurate.imaging.synth.precipitates import Precipitates
from matcurate.imaging.synth.scene import Kind, Overprint, Scene, pieces
from matcurate.imaging.synth.spheroidite import Spheroidite

CLASSES = ("background", "object")
NM_PER_PX = 20.0


class Figures:
    """Panels of journal figures: another kind under letters, scale bars, arrows, data bars, borders and insets.

    Most panels have lost resolution and were compressed as JPEG. Every class of the other kind is class 1; where
    something is printed there is no object (class 0), and an object that the print cuts in pieces becomes several.
    """

    classes: tuple[str, ...] = CLASSES
    nm_per_px = NM_PER_PX
    kinds: tuple[tuple[Kind, float], ...] = (
        (Film(), 0.36),
        (Powder(), 0.36),
        (Spheroidite(), 0.08),
        (Particles(), 0.05),
        (Precipitates(), 0.06),
        (Pores(), 0.04),
        (Phases(), 0.05),
    )

    def __call__(self, canvas: Canvas) -> Scene:
        """Draw a scene."""
        scene = _objects(canvas, self.kinds)
        sheet = blank_sheet((canvas.height, canvas.width))
        annotate(canvas.rng, sheet)
        scale = canvas.uniform(0.4, 0.95) if canvas.chance(0.5) else 1.0
        quality = int(canvas.rng.integers(25, 90)) if canvas.chance(0.75) else 100
        return replace(scene, printed=Overprint(torch.as_tensor(sheet, device=canvas.device), scale, quality))


class Scans:
    """Another kind under a scan that drifts and jitters, out of focus and astigmatic, at a low dose.

    Drift moves picture and masks together; the jitter from line to line moves the picture only. Every class of the
    other kind is class 1.
    """

    classes: tuple[str, ...] = CLASSES
    nm_per_px = NM_PER_PX
    kinds: tuple[tuple[Kind, float], ...] = (
        (Film(), 0.22),
        (Powder(), 0.22),
        (Spheroidite(), 0.16),
        (Precipitates(), 0.14),
        (Particles(), 0.08),
        (Pores(), 0.08),
        (Phases(), 0.1),
    )

    def __call__(self, canvas: Canvas) -> Scene:
        """Draw a scene."""
        blur, ratio, angle = canvas.uniform(1.5, 4.0), canvas.uniform(0.45, 1.0), canvas.uniform(0, math.pi)
        scene = _drifted(canvas, _objects(canvas, self.kinds))
        grey = scene.grey + canvas.uniform(0.0, 0.15) * scene.edges
        areas = torch.bincount(scene.instances.flatten())[1:].double()
        radius = math.sqrt(float(areas.median()) / math.pi) if len(areas) else 3.0
        sigma = min(blur, max(0.6, 0.45 * radius))  # a person must still see the objects
        grey = astigmatic_blur(grey, sigma, sigma * ratio, angle)
        if canvas.chance(0.6):
            grey = _jittered(canvas, grey, canvas.uniform(0.3, 1.6))
        dose = canvas.uniform(0.02, 0.14) if canvas.chance(0.7) else 0.0
        grey = grey + dose * torch.sqrt(grey.clamp(0.05, 1.5)) * canvas.white(canvas.height, canvas.width)
        if canvas.chance(0.4):  # the beam current fluctuates from line to line
            grey = grey + canvas.uniform(0.005, 0.04) * canvas.white(canvas.height, 1)
        return replace(scene, grey=grey, edges=torch.zeros_like(grey), polished=False)


def _objects(canvas: Canvas, kinds: Sequence[tuple[Kind, float]]) -> Scene:
    """A scene of one of the kinds, its classes reduced to object against background."""
    shares = np.array([share for _, share in kinds])
    kind = kinds[int(canvas.rng.choice(len(kinds), p=shares / shares.sum()))][0]
    scene = kind(canvas)
    return replace(scene, phases=(scene.phases > 0).long(), classes=CLASSES, nm_per_px=NM_PER_PX)


def astigmatic_blur(image: Tensor, along: float, across: float, angle: float) -> Tensor:
    """Blur with an elliptic Gaussian of given deviations in pixels along and across ``angle`` (radians); (H, W)."""
    margin = math.ceil(3 * max(along, across))
    padded = torch.nn.functional.pad(image[None, None], (margin,) * 4, mode="replicate")[0, 0]
    rows = torch.fft.fftfreq(padded.shape[0], device=image.device)[:, None]
    columns = torch.fft.rfftfreq(padded.shape[1], device=image.device)[None]
    first = rows * math.sin(angle) + columns * math.cos(angle)
    second = rows * math.cos(angle) - columns * math.sin(angle)
    response = torch.exp(-2 * math.pi**2 * ((along * first) ** 2 + (across * second) ** 2))
    blurred: Tensor = torch.fft.irfft2(torch.fft.rfft2(padded) * response, s=padded.shape)
    return blurred[margin : margin + image.shape[0], margin : margin + image.shape[1]].contiguous()


def _drifted(canvas: Canvas, scene: Scene) -> Scene:
    """Shear and bend the scene as a stage does that drifts during the scan; masks move with it."""
    if canvas.chance(0.3):
        return scene
    rows, columns = canvas.coordinates()
    reach = canvas.uniform(0.005, 0.08) * min(canvas.height, canvas.width, 512)
    progress = torch.linspace(-0.5, 0.5, canvas.height, device=canvas.device)[:, None]
    wander = smooth_field(canvas, 0.25 * canvas.height)[:, :1]
    side = reach * (canvas.uniform(-2, 2) * progress + canvas.uniform(0, 0.5) * wander)
    down = reach * canvas.uniform(-1, 1) * (progress**2 - 0.08)
    y = mirrored((rows + down).round().long(), canvas.height)
    x = mirrored((columns + side).round().long(), canvas.width)
    instances = pieces(scene.instances[y, x], smallest=3)
    return replace(
        scene,
        grey=scene.grey[y, x],
        edges=scene.edges[y, x],
        instances=instances,
        phases=scene.phases[y, x] * (instances > 0),
    )


def _jittered(canvas: Canvas, grey: Tensor, amplitude: float) -> Tensor:
    """Shift every row by itself: white noise and slower vibration; ``amplitude`` in pixels, float (H, W)."""
    slow = smooth_field(canvas, canvas.uniform(2, 8))[:, :1]
    shift = amplitude * (0.6 * canvas.white(canvas.height, 1) + 0.6 * slow)
    place = canvas.coordinates()[1] + shift
    left = place.floor()
    first, second = (mirrored((left + step).long(), canvas.width) for step in (0, 1))
    share = place - left
    return torch.gather(grey, 1, first) * (1 - share) + torch.gather(grey, 1, second) * share

"""Other kinds as they reach a reader: as annotated figures of journals, and from unsteady, defocused scans."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from matcurate.imaging.synth.annotations import annotate, blank_sheet
from matcurate.imaging.synth.assembly import mirrored
from matcurate.imaging.synth.canvas import Canvas, smooth_field
from matcurate.imaging.synth.film import film
from matcurate.imaging.synth.particles import particles
from matcurate.imaging.synth.phases import phases
from matcurate.imaging.synth.pores import pores
from matcurate.imaging.synth.powder import powder
from matcurate.imaging.synth.precipitates import precipitates
from matcurate.imaging.synth.scene import Kind, Overprint, Scene, kind, pieces
from matcurate.imaging.synth.spheroidite import spheroidite

CLASSES = ("background", "object")
NM_PER_PX = 20.0
Mixture = Sequence[tuple[Kind, float]]
"""Kinds with their shares of the pictures."""
IN_FIGURES: Mixture = (
    *((film, 0.36), (powder, 0.36), (spheroidite, 0.08), (particles, 0.05)),
    *((precipitates, 0.06), (pores, 0.04), (phases, 0.05)),
)
IN_SCANS: Mixture = (
    *((film, 0.22), (powder, 0.22), (spheroidite, 0.16), (precipitates, 0.14)),
    *((particles, 0.08), (pores, 0.08), (phases, 0.1)),
)


@kind(CLASSES, NM_PER_PX)
def figures(canvas: Canvas) -> Scene:
    """Panels of journal figures: another kind under letters, scale bars, arrows, data bars, borders and insets.

    Most panels have lost resolution and were compressed as JPEG. Every class of the other kind is class 1; where
    something is printed there is no object (class 0), and an object that the print cuts in pieces becomes several.
    """
    scene = _objects(canvas, IN_FIGURES)
    sheet = blank_sheet((canvas.height, canvas.width))
    annotate(canvas.rng, sheet)
    scale = canvas.uniform(0.4, 0.95) if canvas.chance(0.5) else 1.0
    quality = int(canvas.rng.integers(25, 90)) if canvas.chance(0.75) else 100
    return replace(scene, printed=Overprint(torch.as_tensor(sheet, device=canvas.device), scale, quality))


@kind(CLASSES, NM_PER_PX)
def scans(canvas: Canvas) -> Scene:
    """Another kind under a scan that drifts and jitters, out of focus and astigmatic, at a low dose.

    Drift moves picture and masks together; the jitter from line to line moves the picture only. Every class of the
    other kind is class 1.
    """
    blur, ratio, angle = canvas.uniform(1.5, 4.0), canvas.uniform(0.45, 1.0), canvas.uniform(0, math.pi)
    scene = _drifted(canvas, _objects(canvas, IN_SCANS))
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


def _objects(canvas: Canvas, kinds: Mixture) -> Scene:
    """A scene of one of the kinds, its classes reduced to object against background."""
    shares = np.array([share for _, share in kinds])
    scene = kinds[int(canvas.rng.choice(len(kinds), p=shares / shares.sum()))][0].draw(canvas)
    return replace(scene, phases=(scene.phases > 0).long())


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

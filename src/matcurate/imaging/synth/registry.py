"""Draw a synthetic micrograph of a kind."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from matcurate.errors import ConfigError
from matcurate.imaging.synth.assembly import stitched, with_data_bar
from matcurate.imaging.synth.canvas import Canvas
from matcurate.imaging.synth.dendrites import dendrites
from matcurate.imaging.synth.etched import etched
from matcurate.imaging.synth.figures import figures, scans
from matcurate.imaging.synth.film import film
from matcurate.imaging.synth.grains import grains
from matcurate.imaging.synth.lamellae import lamellae
from matcurate.imaging.synth.layers import layers
from matcurate.imaging.synth.nuisances import Nuisances, expose
from matcurate.imaging.synth.particles import particles
from matcurate.imaging.synth.phases import phases
from matcurate.imaging.synth.pores import pores
from matcurate.imaging.synth.powder import powder
from matcurate.imaging.synth.precipitates import precipitates
from matcurate.imaging.synth.scene import Kind, overprinted
from matcurate.imaging.synth.spheroidite import spheroidite
from matcurate.imaging.synth.tomogram import tomogram
from matcurate.types import Calibration

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        *(grains, etched, phases, precipitates, particles, dendrites, lamellae, layers, pores),
        *(spheroidite, film, powder, tomogram, figures, scans),
    )
}
"""Registry: a new kind is a function that draws a scene, with :func:`~matcurate.imaging.synth.scene.kind` above it."""


@dataclass(frozen=True, slots=True, eq=False)
class SyntheticMicrograph:
    """A generated micrograph (H, W) over the full range of its type, with its exact truth.

    ``phases`` are class ids, 0 the background; ``instances`` ids 1 … n, 0 none; ``classes`` names every class id.
    """

    pixels: NDArray[np.uint8] | NDArray[np.uint16]
    phases: NDArray[np.uint8]
    instances: NDArray[np.uint32]
    calibration: Calibration
    classes: tuple[str, ...]


def kind_named(name: str) -> Kind:
    """Look up a kind; ConfigError when there is no such kind."""
    if name not in KINDS:
        raise ConfigError(f"no kind of microstructure {name!r}; use one of: {', '.join(KINDS)}")
    return KINDS[name]


def generate(
    kind: str,
    size: tuple[int, int],
    rng: np.random.Generator,
    options: Nuisances | None = None,
    device: str = "cpu",
    bits: Literal[8, 16] = 8,
) -> SyntheticMicrograph:
    """Generate one micrograph; the same state of ``rng`` gives the same picture on one machine and device.

    ``size`` is (H, W), at least 16 each; ``options`` disturb the picture, realistically by default; ``device`` computes
    the pixels. Raises ConfigError for an unknown kind, ValueError for a size below 16.
    """
    drawn, wanted = kind_named(kind), options or Nuisances()
    canvas = Canvas.of(size, rng, device)
    with torch.inference_mode():
        scene = drawn.draw(canvas)
        rare = canvas.aside(1)
        if rare.chance(wanted.stitching):
            scene = stitched(rare, scene, rare.uniform(*wanted.stitching_step))
        if not scene.polished:
            wanted = wanted.model_copy(update={"scratches": (0.0, 0.0)})
        image, scene = overprinted(expose(canvas, scene.grey, scene.edges, wanted), scene)
        if rare.chance(wanted.data_bar):
            image, scene = with_data_bar(rare, image, scene, drawn.nm_per_px)
        grey = image.double().cpu().numpy()
        phases, instances = scene.phases.cpu().numpy(), scene.instances.cpu().numpy()
    pixels = np.rint(grey * 255).astype(np.uint8) if bits == 8 else np.rint(grey * 65535).astype(np.uint16)
    return SyntheticMicrograph(
        pixels, phases.astype(np.uint8), instances.astype(np.uint32), Calibration(drawn.nm_per_px), drawn.classes
    )

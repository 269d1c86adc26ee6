"""Draw a synthetic micrograph of a kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from matcurate.errors import ConfigError
from matcurate.imaging.synth.assembly import stitched, with_data_bar
from matcurate.imaging.synth.canvas import Canvas
from matcurate.imaging.synth.dendrites import Dendrites
from matcurate.imaging.synth.etched import Etched
from matcurate.imaging.synth.figures import Figures, Scans
from matcurate.imaging.synth.film import Film
from matcurate.imaging.synth.grains import Grains
from matcurate.imaging.synth.lamellae import Lamellae
from matcurate.imaging.synth.layers import Layers
from matcurate.imaging.synth.nuisances import Nuisances, expose
from matcurate.imaging.synth.particles import Particles
from matcurate.imaging.synth.phases import Phases
from matcurate.imaging.synth.pores import Pores
from matcurate.imaging.synth.powder import Powder
from matcurate.imaging.synth.precipitates import Precipitates
from matcurate.imaging.synth.scene import Kind, overprinted
from matcurate.imaging.synth.spheroidite import Spheroidite
from matcurate.imaging.synth.tomogram import Tomogram
from matcurate.types import Calibration

KINDS: dict[str, Kind] = {
    "grains": Grains(),
    "etched": Etched(),
    "phases": Phases(),
    "precipitates": Precipitates(),
    "particles": Particles(),
    "dendrites": Dendrites(),
    "lamellae": Lamellae(),
    "layers": Layers(),
    "pores": Pores(),
    "spheroidite": Spheroidite(),
    "film": Film(),
    "powder": Powder(),
    "tomogram": Tomogram(),
    "figures": Figures(),
    "scans": Scans(),
}
"""Registry: a new kind is a callable that draws a :class:`~matcurate.imaging.synth.scene.Scene`."""


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
    draw, wanted = kind_named(kind), options or Nuisances()
    canvas = Canvas.of(size, rng, device)
    with torch.inference_mode():
        scene = draw(canvas)
        rare = canvas.aside(1)
        if rare.chance(wanted.stitching):
            scene = stitched(rare, scene, rare.uniform(*wanted.stitching_step))
        if not scene.polished:
            wanted = wanted.model_copy(update={"scratches": (0.0, 0.0)})
        image, scene = overprinted(expose(canvas, scene.grey, scene.edges, wanted), scene)
        if rare.chance(wanted.data_bar):
            image, scene = with_data_bar(rare, image, scene)
        grey = image.double().cpu().numpy()
        phases, instances = scene.phases.cpu().numpy(), scene.instances.cpu().numpy()
    pixels = np.rint(grey * 255).astype(np.uint8) if bits == 8 else np.rint(grey * 65535).astype(np.uint16)
    return SyntheticMicrograph(
        pixels, phases.astype(np.uint8), instances.astype(np.uint32), Calibration(scene.nm_per_px), scene.classes
    )

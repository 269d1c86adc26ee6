"""Draw what the built-in network sees in generated micrographs, and the masks that are made of it.

python benchmarks/builtin_figure.py --out docs/images/builtin.jpg [--kinds particles,film,...] [--seed 3]
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from matcurate.config import load_preset
from matcurate.imaging.overlay import overlay
from matcurate.imaging.synth.registry import generate
from matcurate.promptable.builtin.shipped import shipped
from matcurate.segmentation.matsam.pipeline import MatSam, MatSamPreset

SIZE = (240, 320)


def row(kind: str, seed: int) -> NDArray[np.uint8]:
    """Micrograph, foreground, contact, boundary and objects of one generated picture, side by side."""
    pixels = generate(kind, SIZE, np.random.default_rng(seed)).pixels
    backbone = shipped()
    maps = backbone.maps(pixels)
    preset = load_preset("grains" if kind == "grains" else "phases", MatSamPreset, "presets")
    found = MatSam(backbone, preset).segment(pixels)
    grey = [pixels, *(np.rint(each * 255).astype(np.uint8) for each in (maps.foreground, maps.contact, maps.boundary))]
    panels = [np.repeat(panel[..., None], 3, axis=2) for panel in grey]
    panels.append(overlay(pixels, found.phases, found.instances))
    return np.concatenate([np.pad(panel, ((2, 2), (2, 2), (0, 0)), constant_values=255) for panel in panels], axis=1)


def main() -> None:
    """Draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kinds", default="particles,film,powder,spheroidite,tomogram,grains")
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args()
    picture = np.concatenate([row(kind, options.seed) for kind in options.kinds.split(",")])
    cv2.imwrite(str(options.out), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])


if __name__ == "__main__":
    main()

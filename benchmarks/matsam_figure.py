"""Draw how the built-in network's maps become phases with their objects, and grains, on generated images.

python benchmarks/matsam_figure.py --out docs/images
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries

from matcurate.config import load_preset
from matcurate.imaging import Nuisances, generate
from matcurate.promptable.builtin.shipped import shipped
from matcurate.segmentation.matsam.pipeline import MatSam, MatSamPreset

SHAPE = (256, 320)
OUTLINE = (255, 80, 60)
"""RGB of what was found."""
Picture = NDArray[np.uint8]


def coloured(grey: NDArray[np.generic]) -> Picture:
    """Grey levels (H, W) stretched to 0 … 220 as RGB."""
    span = max(float(np.ptp(grey)), 1e-9)
    levels = np.rint((grey.astype(np.float64) - float(grey.min())) / span * 220).astype(np.uint8)
    return np.repeat(levels[..., None], 3, axis=2)


def titled(picture: Picture, *lines: str) -> Picture:
    """Picture under a strip with text."""
    strip: Picture = np.full((34, picture.shape[1], 3), 255, dtype=np.uint8)
    for number, text in enumerate(lines):
        cv2.putText(strip, text, (4, 13 + 15 * number), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([strip, picture])


def steps(pixels: NDArray[np.generic], preset: str) -> Picture:
    """Image, the network's four maps, and what MatSAM makes of them: three panels beside each other in two rows."""
    segmenter = MatSam(shipped("cpu"), load_preset(preset, MatSamPreset, "presets"))
    maps = shipped("cpu").maps(pixels)
    found = segmenter.segment(pixels)
    outlined = coloured(pixels)
    outlined[find_boundaries(found.instances, mode="inner")] = OUTLINE
    panels = (
        titled(coloured(pixels), "1 generated image", f"preset {preset}"),
        titled(coloured(maps.foreground), "2 foreground", "probability of an object"),
        titled(coloured(maps.contact), "3 contact", "probability of a border between two objects"),
        titled(coloured(maps.boundary), "4 boundary", "probability of an outline"),
        titled(coloured(maps.distance), "5 distance", "depth inside the object"),
        titled(outlined, f"6 result: {found.count}", "outlines"),
    )
    return np.vstack([np.hstack(panels[:3]), np.hstack(panels[3:])])


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args(arguments).out
    clean = Nuisances(scratches=(0, 0), stitching=0)
    phases = generate("particles", SHAPE, np.random.default_rng([7, 1])).pixels
    grains = generate("grains", SHAPE, np.random.default_rng([7, 3]), clean).pixels
    for name, pixels, preset in (("matsam_phases", phases, "phases"), ("matsam_grains", grains, "grains")):
        cv2.imwrite(str(out / f"{name}.jpg"), steps(pixels, preset)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])


if __name__ == "__main__":
    main()

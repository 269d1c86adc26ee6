"""Draw the steps of MatSAM on a generated two-phase image and a scratched polycrystal, as in docs/methods/matsam.md.

python benchmarks/matsam_figure.py --out docs/images
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries

from matcurate.config import load_preset
from matcurate.imaging.synth.nuisances import Nuisances
from matcurate.imaging.synth.registry import generate
from matcurate.promptable.tree import TreeBackbone
from matcurate.segmentation.baselines import otsu_foreground
from matcurate.segmentation.matsam.evidence import rescored
from matcurate.segmentation.matsam.frugal import decode_frugally
from matcurate.segmentation.matsam.generate import rough_regions, unprompted
from matcurate.segmentation.matsam.lines import without_lines
from matcurate.segmentation.matsam.pipeline import MatSam, MatSamPreset
from matcurate.segmentation.matsam.prompts import TWO_LEVELS, Points, prompt_points
from matcurate.segmentation.matsam.suppress import admissible
from matcurate.segmentation.matsam.tiling import boundary_network, boundary_strength
from matcurate.segmentation.polarity import side_of
from matcurate.segmentation.relief import Grey, calm, class_separability, flatten
from matcurate.types import Candidate

SHAPE = (256, 320)
KEY, GRID, MASK, KEPT, GONE, LINE = (
    (255, 220, 0),
    (80, 160, 255),
    (255, 120, 0),
    (60, 210, 60),
    (240, 50, 50),
    (255, 0, 0),
)
"""RGB: key points, grid points, proposals, kept and refused masks, boundaries."""
Picture = NDArray[np.uint8]


def coloured(grey: NDArray[np.generic], top: int = 200) -> Picture:
    """Grey levels (H, W) stretched to 0 … ``top`` as RGB."""
    span = max(float(np.ptp(grey)), 1e-9)
    levels = np.rint((grey.astype(np.float64) - float(grey.min())) / span * top).astype(np.uint8)
    return np.repeat(levels[..., None], 3, axis=2)


def titled(picture: Picture, *lines: str) -> Picture:
    """Picture under a strip with text."""
    strip: Picture = np.full((34, picture.shape[1], 3), 255, dtype=np.uint8)
    for number, text in enumerate(lines):
        cv2.putText(strip, text, (4, 13 + 15 * number), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([strip, picture])


def pointed(grey: Grey, points: Points, keys: int) -> Picture:
    """Prompts: key points filled, grid points as crosses."""
    picture = coloured(grey)
    for x, y in points[keys:].astype(int).tolist():
        cv2.drawMarker(picture, (x, y), GRID, cv2.MARKER_CROSS, 5, 1)
    for x, y in points[:keys].astype(int).tolist():
        cv2.circle(picture, (x, y), 2, KEY, -1)
    return picture


def outlined(grey: Grey, *groups: tuple[Sequence[Candidate], tuple[int, int, int]]) -> Picture:
    """Outlines of masks, each group in its colour, later ones on top."""
    picture = coloured(grey)
    for masks, colour in groups:
        for mask in masks:
            picture[find_boundaries(mask.paint(SHAPE), mode="inner")] = colour
    return picture


def steps(kind: str, preset: str, pixels: NDArray[np.uint8]) -> Picture:
    """Panels of one image, three beside each other in two rows."""
    settings = load_preset(preset, MatSamPreset, "presets")
    segmenter = MatSam(TreeBackbone(), settings)
    mended, grey = without_lines(pixels) if settings.straight_lines == "removed" else (pixels, calm(pixels))
    side = side_of(grey) if settings.polarity == "auto" else settings.polarity
    relief = flatten(grey) if settings.flatten else grey
    points, keys = prompt_points(
        relief, side, roi=settings.roi, smallest=settings.smallest, grid_range=settings.grid_range
    )
    eta = class_separability(relief)
    rule = "Otsu" if settings.roi == "otsu" or (settings.roi == "auto" and eta >= TWO_LEVELS) else "Canny"
    chosen = f"separability {eta:.2f} >= {TWO_LEVELS}" if settings.roi == "auto" and rule == "Otsu" else "preset"
    predictor = segmenter.backbone.open(relief if settings.flatten else mended)
    asked = decode_frugally(predictor, points, always=keys)
    proposals = admissible(
        unprompted(predictor, side) + asked.candidates,
        quality=settings.quality,
        smallest=settings.smallest,
        largest=settings.largest * relief.size,
    )
    rough = rough_regions(otsu_foreground(relief, side), settings.smallest) if settings.rough_regions else ()
    judged = rescored(proposals + rough, relief, side)
    kept = [c for c in judged if c.quality >= settings.contrast]
    gone = [c for c in judged if c.quality < settings.contrast]
    found = segmenter.segment(pixels)
    result = coloured(pixels)
    result[
        find_boundaries(found.instances, mode="inner") if preset != "grains" else boundary_network(found.instances)
    ] = LINE
    flattening = "flattened" if settings.flatten else "straight lines removed"
    judgement = (
        titled(
            outlined(relief, (gone, GONE), (kept, KEPT)),
            f"5 evidence: {len(kept)} kept (green)",
            f"{len(gone)} refused (red)",
        )
        if preset != "grains"
        else titled(
            coloured(boundary_strength(relief, kept, settings.outline_vote), 255),
            "5 boundary strength:",
            "gradient, lines, outlines of masks",
        )
    )
    panels = [
        titled(coloured(pixels), f"1 {kind}", f"preset {preset}"),
        titled(
            coloured(relief), f"2 relief: {flattening}", f"side of the objects: {side}" if preset != "grains" else ""
        ),
        titled(
            pointed(relief, points, keys),
            f"3 prompts: {keys} key points by {rule}",
            f"({chosen}); {len(points) - keys} grid points",
        ),
        titled(
            outlined(relief, (proposals, MASK)),
            f"4 candidates: {len(proposals)} of the tree",
            f"+ {len(rough)} Otsu regions" if rough else "",
        ),
        judgement,
        titled(result, f"6 result: {found.count} objects", "" if preset != "grains" else "closed one-pixel network"),
    ]
    return np.vstack([np.hstack(panels[:3]), np.hstack(panels[3:])])


def scratched(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One straight dark line across an image."""
    shade = np.zeros(SHAPE, dtype=np.float32)
    cv2.line(shade, (0, 70), (SHAPE[1] - 1, 150), 1.0, 1, cv2.LINE_AA)
    marked = pixels - 60 * cv2.GaussianBlur(shade, (0, 0), 0.8)
    return np.asarray(np.clip(marked, 0, 255), dtype=np.uint8)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args(arguments).out
    clean = Nuisances(scratches=(0, 0), stitching=0)
    phases = generate("phases", SHAPE, np.random.default_rng([7, 1])).pixels
    grains = generate("grains", SHAPE, np.random.default_rng([7, 3]), clean).pixels
    for name, picture in (
        ("matsam_phases", steps("generated phases", "phases", phases.astype(np.uint8))),
        ("matsam_grains", steps("generated grains, scratched", "grains", scratched(grains.astype(np.uint8)))),
    ):
        cv2.imwrite(str(out / f"{name}.jpg"), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])


if __name__ == "__main__":
    main()

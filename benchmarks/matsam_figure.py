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
from matcurate.promptable.builtin.agglomeration import LEVELS, joined
from matcurate.promptable.builtin.scene import Scene
from matcurate.promptable.builtin.shipped import shipped
from matcurate.promptable.tree import TreeBackbone
from matcurate.segmentation.baselines import otsu_foreground
from matcurate.segmentation.matsam.evidence import rescored
from matcurate.segmentation.matsam.frugal import decode_frugally
from matcurate.segmentation.matsam.generate import rough_regions, unprompted
from matcurate.segmentation.matsam.lines import without_lines
from matcurate.segmentation.matsam.pipeline import MatSam, MatSamPreset
from matcurate.segmentation.matsam.prompts import TWO_LEVELS, Points, prompt_points
from matcurate.segmentation.matsam.suppress import admissible
from matcurate.segmentation.matsam.tiling import boundary_network
from matcurate.segmentation.polarity import side_of
from matcurate.segmentation.relief import Grey, calm, class_separability, flatten
from matcurate.types import Candidate

SHAPE = (256, 320)
SURE = 0.15
"""Probability of a boundary up to which patches have been joined in panel 5."""
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


def shown(panels: Sequence[Picture]) -> Picture:
    """Six panels, three beside each other in two rows."""
    return np.vstack([np.hstack(panels[:3]), np.hstack(panels[3:])])


def drawn(grey: NDArray[np.generic], lines: NDArray[np.bool_]) -> Picture:
    """Lines over an image."""
    picture = coloured(grey)
    picture[lines] = LINE
    return picture


def phase_steps(pixels: NDArray[np.uint8]) -> Picture:
    """Panels of a two-phase image, with the component tree."""
    settings = load_preset("phases", MatSamPreset, "presets")
    segmenter = MatSam(TreeBackbone(), settings)
    grey = calm(pixels)
    side, relief = side_of(grey), flatten(grey)
    points, keys = prompt_points(relief, side, smallest=settings.smallest, grid_range=settings.grid_range)
    eta = class_separability(relief)
    rule, sign = ("Otsu", ">=") if eta >= TWO_LEVELS else ("Canny", "<")
    predictor = segmenter.backbone.open(relief)
    proposals = admissible(
        unprompted(predictor, side) + decode_frugally(predictor, points, always=keys).candidates,
        quality=settings.quality,
        smallest=settings.smallest,
        largest=settings.largest * relief.size,
    )
    rough = rough_regions(otsu_foreground(relief, side), settings.smallest)
    judged = rescored(proposals + rough, relief, side)
    kept = [c for c in judged if c.quality >= settings.contrast]
    gone = [c for c in judged if c.quality < settings.contrast]
    found = segmenter.segment(pixels)
    prompts = f"(separability {eta:.2f} {sign} {TWO_LEVELS}); {len(points) - keys} grid points"
    evidence = outlined(relief, (gone, GONE), (kept, KEPT))
    return shown(
        [
            titled(coloured(pixels), "1 generated phases", "preset phases"),
            titled(coloured(relief), "2 relief: flattened", f"side of the objects: {side}"),
            titled(pointed(relief, points, keys), f"3 prompts: {keys} key points by {rule}", prompts),
            titled(
                outlined(relief, (proposals, MASK)),
                f"4 candidates: {len(proposals)} of the tree",
                f"+ {len(rough)} Otsu regions",
            ),
            titled(evidence, f"5 evidence: {len(kept)} kept (green)", f"{len(gone)} refused (red)"),
            titled(
                drawn(pixels, find_boundaries(found.instances, mode="inner")), f"6 result: {found.count} objects", ""
            ),
        ]
    )


def grain_steps(pixels: NDArray[np.uint8]) -> Picture:
    """Panels of a polycrystal, with the built-in network, which parts it itself."""
    settings = load_preset("grains", MatSamPreset, "presets")
    backbone = shipped("cpu")
    mended, relief = without_lines(pixels)
    scene, judge = Scene.seen_by(backbone.weights.network, mended), backbone.weights.judge
    if judge is None:
        raise SystemExit("the shipped weights judge no seams")
    sure = joined(scene.patches, judge.seams.judge, tuple(level for level in LEVELS if level <= SURE))
    found = MatSam(backbone, settings).segment(pixels)
    network = boundary_network(found.instances)
    return shown(
        [
            titled(coloured(pixels), "1 generated grains, scratched", "preset grains"),
            titled(coloured(relief), "2 relief: straight lines removed", ""),
            titled(coloured(scene.parted.around(), 255), "3 learned boundaries", ""),
            titled(
                drawn(relief, find_boundaries(scene.patches.map(), mode="inner")),
                f"4 patches: {len(scene.patches.areas)}",
                "along every boundary that there may be",
            ),
            titled(
                drawn(relief, find_boundaries(sure.map(), mode="inner")),
                f"5 joined where sure: {len(sure.areas)}",
                f"probability of a boundary below {SURE}",
            ),
            titled(drawn(pixels, network), f"6 result: {found.count} grains", "closed one-pixel network"),
        ]
    )


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
        ("matsam_phases", phase_steps(phases.astype(np.uint8))),
        ("matsam_grains", grain_steps(scratched(grains.astype(np.uint8)))),
    ):
        cv2.imwrite(str(out / f"{name}.jpg"), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])


if __name__ == "__main__":
    main()

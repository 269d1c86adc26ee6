"""Draw the generated pictures, as they are and changed, that the default segments worst: one for each of six kinds.

python benchmarks/failures.py --out docs/images/builtin_failures.jpg [--pictures 3] [--seed 900]
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries

from matcurate.config import load_preset
from matcurate.imaging import KINDS, LabelledMicrograph, Micrograph, apply_change, changes_named, generate
from matcurate.promptable.builtin.shipped import shipped
from matcurate.segmentation.matsam.pipeline import MatSam, MatSamPreset
from matcurate.segmentation.metrics import class_mean_iou
from matcurate.types import BoolMask

WITHOUT_MATRIX = {"grains", "etched", "layers"}
CHANGES = ("blur-2", "noise-20", "shaded", "reduced-2")
SHAPE, SHOWN = (288, 384), 6
TRUTH, RESULT = (60, 200, 60), (230, 60, 50)
"""RGB of the outlines."""


@dataclass(frozen=True)
class Failure:
    """A picture, its truth and what was found, with the class-mean IoU."""

    name: str
    pixels: NDArray[np.generic]
    truth: BoolMask
    found: BoolMask
    iou: float


def worst(kind: str, segmenter: MatSam, pictures: int, seed: int) -> Failure:
    """Of some pictures of a kind and their changes, the one with the lowest IoU."""
    failures = []
    for number in range(pictures):
        drawn = generate(kind, SHAPE, np.random.default_rng([seed, number]))
        labelled = LabelledMicrograph(Micrograph(drawn.pixels, drawn.calibration, kind), drawn.phases, drawn.instances)
        name = f"{kind} {number}"
        variants = {name: labelled}
        variants |= {
            f"{name}, {change.name}": apply_change(change, labelled, name) for change in changes_named(CHANGES)
        }
        for title, variant in variants.items():
            found, truth = segmenter.segment(variant.micrograph.pixels).phases > 0, variant.phases > 0
            failures.append(Failure(title, variant.micrograph.pixels, truth, found, class_mean_iou(found, truth)))
    return min(failures, key=lambda failure: failure.iou)


def drawn(failure: Failure) -> NDArray[np.uint8]:
    """Grey picture (H, W, 3) with the outlines of the truth and of the result."""
    low, high = np.percentile(failure.pixels, (1, 99))
    grey = np.clip((failure.pixels.astype(np.float32) - low) / max(high - low, 1) * 220, 0, 220).astype(np.uint8)
    picture = np.repeat(grey[..., None], 3, axis=2)
    picture[find_boundaries(failure.found, mode="thick")] = RESULT
    picture[find_boundaries(failure.truth, mode="inner")] = TRUTH
    size = (SHAPE[1], SHAPE[0])
    picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST), dtype=np.uint8)
    text = f"{failure.name}: IoU {failure.iou:.2f}"
    cv2.putText(picture, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 220, 0), 1, cv2.LINE_AA)
    return picture


def main() -> None:
    """Draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=3)
    parser.add_argument("--seed", type=int, default=900)
    options = parser.parse_args()
    segmenter = MatSam(shipped(), load_preset("phases", MatSamPreset, "presets"))
    kinds = [kind for kind in KINDS if kind not in WITHOUT_MATRIX]
    failures = sorted((worst(kind, segmenter, options.pictures, options.seed) for kind in kinds), key=lambda f: f.iou)
    panels = [np.pad(drawn(failure), ((2, 2), (2, 2), (0, 0)), constant_values=255) for failure in failures[:SHOWN]]
    picture = np.concatenate([np.concatenate(panels[row : row + 3], axis=1) for row in range(0, SHOWN, 3)])
    cv2.imwrite(str(options.out), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])


if __name__ == "__main__":
    main()

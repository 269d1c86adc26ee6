"""Draw where the built-in network answers a point worst, as in docs/methods/builtin.md.

python benchmarks/failures.py --out docs/images/builtin_failures.jpg
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.measure import label
from skimage.segmentation import find_boundaries

from matcurate.imaging.synth.registry import generate
from matcurate.promptable.builtin.shipped import shipped
from matcurate.types import BoolMask

KINDS = ("grains", "lamellae", "layers", "dendrites")
SHAPE = (256, 320)
SEED, LEAST, ASKED = 77, 60, 40
TRUTH, ANSWER, POINT = (60, 200, 60), (230, 60, 50), (255, 220, 0)
"""RGB: the object asked for, the best answer, the point."""


def worst(kind: str) -> NDArray[np.uint8]:
    """Picture of a kind (H, W, 3) with the object that the best answer to a random pixel of it misses most."""
    rng = np.random.default_rng(SEED)
    drawn = generate(kind, SHAPE, rng)
    instances = label(drawn.phases > 0, connectivity=1) if drawn.instances is None else drawn.instances
    large = np.flatnonzero(np.bincount(instances.ravel())[1:] >= LEAST) + 1
    truths = [instances == number for number in rng.permutation(large)[:ASKED]]
    points = np.array([np.argwhere(truth)[rng.integers(truth.sum()), ::-1] for truth in truths], dtype=np.float64)
    answers = shipped("cpu").open(drawn.pixels).predict(points[:, None], np.ones((len(points), 1), dtype=np.int64))
    found = [
        max(answer, key=lambda one: one.quality).paint(SHAPE) if answer else np.zeros(SHAPE, dtype=np.bool_)
        for answer in answers
    ]
    overlaps = [(mask & truth).sum() / (mask | truth).sum() for mask, truth in zip(found, truths, strict=True)]
    order = np.argsort(overlaps)
    chosen = int(order[len(order) // 10])  # the worst tenth, not the very worst, which is often a sliver
    picture = outlined(drawn.pixels, truths[chosen], found[chosen], points[chosen])
    text = f"{kind}: IoU {overlaps[chosen]:.2f}, mean {np.mean(overlaps):.2f}"
    cv2.putText(picture, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, POINT, 1, cv2.LINE_AA)
    return picture


def outlined(
    pixels: NDArray[np.generic], truth: BoolMask, answer: BoolMask, point: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Grey picture with both outlines and the point."""
    grey = cv2.normalize(pixels.astype(np.float32), None, 0, 200, cv2.NORM_MINMAX).astype(np.uint8)  # type: ignore[call-overload]
    picture: NDArray[np.uint8] = np.repeat(grey[..., None], 3, axis=2)
    picture[find_boundaries(answer, mode="thick")] = ANSWER
    picture[find_boundaries(truth, mode="inner")] = TRUTH
    cv2.circle(picture, (int(point[0]), int(point[1])), 3, POINT, -1)
    return picture


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    pictures = [worst(kind) for kind in KINDS]
    sheet = np.vstack([np.hstack(pictures[:2]), np.hstack(pictures[2:])])
    cv2.imwrite(str(parser.parse_args(arguments).out), sheet[..., ::-1])


if __name__ == "__main__":
    main()

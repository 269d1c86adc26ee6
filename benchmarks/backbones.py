"""Seconds that each backbone needs for one image, and as ratios to the first one named, all in one run.

python benchmarks/backbones.py tree builtin vit_b --random-weights
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from matcurate.imaging.synth.registry import generate
from matcurate.promptable.registry import load_backbone

SIZE = (768, 1024)
PROMPTS = 64
HEAD = "| backbone | open | open again | first 64 prompts | next 64 prompts | all, as a ratio |"


def seconds(work: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(name: str, random_weights: bool, pixels: np.ndarray, points: np.ndarray) -> list[float]:
    """Open an image, open it again, answer 64 one-point prompts, answer 64 others."""
    labels = np.ones(points.shape[1:3], dtype=np.int64)
    with tempfile.TemporaryDirectory() as cache:
        backbone = load_backbone(name, Path(cache), random_weights=random_weights and name.startswith("vit_"))
        opened = [seconds(lambda: backbone.open(pixels)) for _ in range(2)]
        predictor = backbone.open(pixels)
        return opened + [seconds(lambda part=part: predictor.predict(part, labels)) for part in points]


def main() -> None:
    """Print one row for each backbone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backbones", nargs="+")
    parser.add_argument("--random-weights", action="store_true", help="for vit_b, vit_l and vit_h: speed only")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    pixels = generate("precipitates", SIZE, rng).pixels
    points = rng.uniform((0, 0), (SIZE[1], SIZE[0]), (2, PROMPTS, 1, 2))
    print(HEAD, "|---|---:|---:|---:|---:|---:|", sep="\n")
    reference = 0.0
    for name in arguments.backbones:
        found = measure(name, arguments.random_weights, pixels, points)
        total = found[0] + found[2]
        reference = reference or total
        print(f"| {name} |", " | ".join(f"{value:.3f}" for value in found), f"| {total / reference:.1f} |")


if __name__ == "__main__":
    main()

"""Seconds that each backbone needs for one image, and as ratios to the first one named, all in one run.

python benchmarks/backbones.py builtin vit_b --random-weights
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from matcurate.config import load_preset
from matcurate.imaging.synth.registry import KINDS, generate
from matcurate.promptable.protocol import Backbone
from matcurate.promptable.registry import load_backbone
from matcurate.segmentation.matsam.pipeline import MatSam, MatSamPreset

SIZE = (768, 1024)
PROMPTS = 64
CLICKS, SEGMENTED = 20, 3
STEPS = ("open", "open again", "first 64 prompts", "next 64 prompts", "one more click", "everything segmented")
"""What is timed; the last is MatSAM with the preset ``phases``, from the pixels to the mask."""


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds of one call."""
    start, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - used


def measure(backbone: Backbone, pixels: np.ndarray, points: np.ndarray, segment: bool) -> list[tuple[float, float]]:
    """Wall and CPU seconds of each of :data:`STEPS`, the last two being medians of several; the last if wanted."""
    labels = np.ones(points.shape[1:3], dtype=np.int64)
    found = [seconds(lambda: backbone.open(pixels)) for _ in range(2)]
    predictor = backbone.open(pixels)
    found += [seconds(lambda part=part: predictor.predict(part, labels)) for part in points]
    found.append(
        median([seconds(lambda one=one: predictor.predict(one[None], labels[:1])) for one in points[0, :CLICKS] + 0.5])
    )
    if segment:
        matsam = MatSam(backbone, load_preset("phases", MatSamPreset, "presets"))
        found.append(median([seconds(lambda: matsam.segment(pixels)) for _ in range(SEGMENTED)]))
    return found


def median(found: list[tuple[float, float]]) -> tuple[float, float]:
    """Median wall and median CPU seconds."""
    wall, used = np.median(found, axis=0)
    return float(wall), float(used)


def row(title: str, values: list[float]) -> str:
    """One line of the table."""
    cells = [f"{value:.3f}" for value in values] + ["-"] * (len(STEPS) - len(values))
    return f"| {title} | " + " | ".join(cells) + " |"


def main() -> None:
    """Print seconds, CPU seconds and ratios for each backbone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backbones", nargs="+")
    parser.add_argument("--kind", default="precipitates", choices=tuple(KINDS), help="of the generated micrograph")
    parser.add_argument("--random-weights", action="store_true", help="for vit_b, vit_l and vit_h: speed only")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    pixels, small = (generate(arguments.kind, size, rng).pixels for size in (SIZE, (96, 128)))
    points = rng.uniform((0, 0), (SIZE[1] - 1, SIZE[0] - 1), (2, PROMPTS, 1, 2))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before")
    print("| backbone | " + " | ".join(STEPS) + " |", "|---" + "|---:" * len(STEPS) + "|", sep="\n")
    first: list[float] = []
    for name in arguments.backbones:
        official = name.startswith("vit_")
        with tempfile.TemporaryDirectory() as cache:
            backbone = load_backbone(name, Path(cache), random_weights=arguments.random_weights and official)
            measure(backbone, small, points / 10, segment=False)  # what is loaded once is not counted
            found = measure(backbone, pixels, points, segment=not official)
        wall = [one for one, _ in found]
        first = first or wall
        print(row(name, wall), row(f"{name}, CPU", [used for _, used in found]), sep="\n")
        print(row(f"{name}, ratio", [one / other for one, other in zip(wall, first, strict=False)]), flush=True)


if __name__ == "__main__":
    main()

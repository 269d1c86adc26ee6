"""Print the tables of docs/methods/boost.md: sources of masks, gains for each number of materials, estimated numbers.

python benchmarks/boost.py [--images 30] [--first 0]
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from matcurate.bench.boost import BoostScores, score_boost
from matcurate.config import load_preset
from matcurate.imaging import MATERIALS, SyntheticMicrograph, ambiguous_masks, stem_layers
from matcurate.promptable.builtin.shipped import shipped
from matcurate.promptable.protocol import Backbone
from matcurate.segmentation.boost.booster import Booster
from matcurate.segmentation.matsam.generate import decode
from matcurate.segmentation.matsam.pipeline import MatSam, MatSamPreset
from matcurate.segmentation.matsam.prompts import grid_points
from matcurate.segmentation.matsam.suppress import admissible, suppress
from matcurate.types import Candidate, Pixels

SIZE = (384, 512)
COUNTS = range(MATERIALS[0], MATERIALS[1] + 1)
NUISANCE, NOTHING = "nuisance masks", "no masks"
GRID, OVERLAP = 16, 0.7
"""The paper's prompt grid (its section 4.1), and the suppression of SAM's own generator."""
Source: TypeAlias = Callable[[SyntheticMicrograph, int], Sequence[Candidate]]


@dataclass(frozen=True, slots=True)
class Measured:
    """One picture and source: materials, scores raw, with K known and with K estimated, and that estimate."""

    materials: int
    raw: BoostScores
    known: BoostScores
    estimated: BoostScores
    estimate: int


def sources() -> dict[str, Source]:
    """Where raw masks come from, by name."""
    backbone = shipped("cpu")
    matsam = MatSam(backbone, load_preset("layers", MatSamPreset, "presets"))
    return {
        NUISANCE: lambda drawn, seed: ambiguous_masks(drawn.instances, np.random.default_rng(1000 + seed)),
        f"MatSAM, {backbone.name}": lambda drawn, seed: matsam.propose(drawn.pixels),
        f"grid, {backbone.name}": lambda drawn, seed: gridded(backbone, drawn.pixels),
        NOTHING: lambda drawn, seed: (),
    }


def gridded(backbone: Backbone, pixels: Pixels) -> Sequence[Candidate]:
    """What SAM's own generator would leave: all answers to a grid of points, suppressed."""
    points = grid_points((pixels.shape[0], pixels.shape[1]), GRID**2)
    answers = admissible(decode(backbone.open(pixels), points), quality=0.0, smallest=4, largest=1.0 * pixels.size)
    return suppress(answers, OVERLAP)


def measure(source: Source, seed: int) -> Measured:
    """Draw layers of 2, 3 or 4 materials in turn, and boost their masks."""
    materials = MATERIALS[0] + seed % len(COUNTS)
    drawn = stem_layers(SIZE, materials, np.random.default_rng(seed))
    labels = [drawn.phases == number for number in range(1, materials + 1)]
    raw = source(drawn, seed)
    known, free = (Booster().boost(drawn.pixels, raw, k, rng=np.random.default_rng(0)) for k in (materials, None))
    merged = [[Candidate(0, 0, mask, 1.0) for mask in boosted.masks] for boosted in (known, free)]
    return Measured(materials, *(score_boost(masks, labels) for masks in (raw, *merged)), free.materials)


def line(*cells: object) -> None:
    """Print one line of a table, numbers with three decimals."""
    print("|", " | ".join(f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in cells), "|", flush=True)


def head(*columns: str) -> None:
    """Print the head of a table."""
    print()
    line(*columns)
    print("|---" + "|---:" * (len(columns) - 1) + "|")


def mean(rows: Sequence[Measured], stage: str, name: str) -> float:
    """Mean of one score at a stage: raw, with K known or estimated."""
    return float(np.mean([getattr(getattr(row, stage), name) for row in rows]))


def print_scores(found: dict[str, list[Measured]]) -> None:
    """All scores, raw and boosted with K known."""
    names = list(BoostScores.__dataclass_fields__)
    head("masks", *(name.replace("_", " ") for name in names))
    for source, rows in found.items():
        if source != NOTHING:
            line(f"{source}, raw", *(mean(rows, "raw", name) for name in names))
        line(f"{source}, boosted", *(mean(rows, "known", name) for name in names))


def print_gains(found: dict[str, list[Measured]]) -> None:
    """Points of mIoU and mFPR gained with K known, for each K."""
    head("gain in points", *(f"{score}, {k} materials" for score in ("mIoU", "mFPR") for k in COUNTS), "mIoU", "mFPR")
    for source, rows in found.items():
        if source == NOTHING:
            continue
        parts = [[row for row in rows if row.materials == k] for k in COUNTS]
        cells = [points(part, score) for score in ("mIoU", "mFPR") for part in parts]
        line(source, *cells, points(rows, "mIoU"), points(rows, "mFPR"))


def points(rows: Sequence[Measured], score: str) -> str:
    """Gain of a score in hundredths, with its sign."""
    return f"{100 * (mean(rows, 'known', score) - mean(rows, 'raw', score)):+.1f}"


def print_estimates(found: dict[str, list[Measured]]) -> None:
    """How often the estimated number of materials is right, and what a wrong one costs."""
    head("K estimated", *(f"right of {k} materials" for k in COUNTS), "right", "mIoU, K known", "mIoU, K estimated")
    for source, rows in found.items():
        right = {k: [row.estimate == k for row in rows if row.materials == k] for k in COUNTS}
        total = sum(sum(hits) for hits in right.values())
        scores = (mean(rows, "known", "mIoU"), mean(rows, "estimated", "mIoU"))
        line(source, *(f"{sum(hits)} of {len(hits)}" for hits in right.values()), f"{total} of {len(rows)}", *scores)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=30)
    parser.add_argument("--first", type=int, default=0, help="Seed of the first picture.")
    chosen = parser.parse_args(arguments)
    seeds = range(chosen.first, chosen.first + chosen.images)
    found = {name: [measure(source, seed) for seed in seeds] for name, source in sources().items()}
    print_scores(found)
    print_gains(found)
    print_estimates(found)


if __name__ == "__main__":
    main()

"""Print the booster's table of docs/benchmarks.md, and draw the figure of docs/methods/boost.md.

python benchmarks/boost.py [--images 30] [--figure docs/images/boost.png]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from matcurate.imaging.files import replace_file
from matcurate.imaging.overlay import overlay
from matcurate.imaging.proxy import encode_png
from matcurate.imaging.synth.ambiguous import ambiguous_masks
from matcurate.imaging.synth.registry import SyntheticMicrograph
from matcurate.imaging.synth.stem import stem_layers
from matcurate.promptable.tree import TreeBackbone
from matcurate.segmentation.boost.booster import Boosted, Booster
from matcurate.segmentation.boost.proposals import propose
from matcurate.types import Candidate
from matcurate.workflows.bench_boost import BoostScores, score_boost

SIZE = (384, 512)
Source: TypeAlias = Callable[[SyntheticMicrograph, int], Sequence[Candidate]]

SOURCES: dict[str, Source] = {
    "nuisance masks": lambda drawn, seed: ambiguous_masks(drawn.instances, np.random.default_rng(1000 + seed)),
    "tree": lambda drawn, seed: propose(TreeBackbone(), drawn.pixels),
    "no masks": lambda drawn, seed: (),
}


def picture(seed: int) -> tuple[SyntheticMicrograph, int]:
    """Layers of 2, 3 or 4 materials in turn, and their number."""
    materials = 2 + seed % 3
    return stem_layers(SIZE, materials, np.random.default_rng(seed)), materials


def boosted(drawn: SyntheticMicrograph, raw: Sequence[Candidate], materials: int | None) -> Boosted:
    """What the booster makes of raw masks."""
    return Booster().boost(drawn.pixels, raw, materials, rng=np.random.default_rng(0))


def row(name: str, scores: Sequence[BoostScores]) -> str:
    """One line of the table: means over the images."""
    means = (f"{np.mean([asdict(each)[key] for each in scores]):.3f}" for key in asdict(scores[0]))
    return f"| {name} | {' | '.join(means)} |"


def measure(name: str, source: Source, images: int, *, told: bool) -> None:
    """Print the lines before and after for one source of masks."""
    before, after, right = [], [], 0
    for seed in range(images):
        drawn, materials = picture(seed)
        raw = source(drawn, seed)
        found = boosted(drawn, raw, materials if told else None)
        labels = [drawn.phases == number for number in range(1, materials + 1)]
        before.append(score_boost(raw, labels))
        after.append(score_boost([Candidate(0, 0, mask, 1.0) for mask in found.masks], labels))
        right += found.materials == materials
    print(row(f"{name}, raw", before))
    print(row(f"{name}, boosted" + ("" if told else f", K estimated (right {right} times)"), after), flush=True)


def figure(seed: int = 5) -> NDArray[np.uint8]:
    """Picture, raw masks, what is left of them, and materials, side by side (H, 4 W, 3)."""
    drawn, materials = picture(seed)
    raw = SOURCES["nuisance masks"](drawn, seed)
    found = boosted(drawn, raw, materials)
    panels = [
        np.repeat(drawn.pixels[..., None], 3, axis=2).astype(np.uint8),
        overlay(drawn.pixels, _stacked(raw, range(1, len(raw) + 1))),
        overlay(drawn.pixels, _stacked(found.kept, range(1, len(found.kept) + 1))),
        overlay(drawn.pixels, found.phases),
    ]
    return np.concatenate(panels, axis=1)


def _stacked(masks: Sequence[Candidate], numbers: Sequence[int]) -> NDArray[np.uint16]:
    ids = np.zeros(SIZE, dtype=np.uint16)
    for mask, number in sorted(zip(masks, numbers, strict=True), key=lambda pair: -pair[0].area):
        top, left, bottom, right = mask.box
        ids[top:bottom, left:right][mask.mask] = number
    return ids


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print, or draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=30)
    parser.add_argument("--figure", type=Path, help="Draw this file instead of measuring.")
    chosen = parser.parse_args(arguments)
    if chosen.figure:
        replace_file(chosen.figure, encode_png(figure()))
        return
    names = [key.replace("_", " ") for key in BoostScores.__dataclass_fields__]
    print(f"| masks | {' | '.join(names)} |")
    print("|---" + "|---:" * len(names) + "|")
    for name, source in SOURCES.items():
        measure(name, source, chosen.images, told=True)
    measure("nuisance masks", SOURCES["nuisance masks"], chosen.images, told=False)


if __name__ == "__main__":
    main()

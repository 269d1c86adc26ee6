"""Known and novel textures: the figure of docs/methods/evidence.md, and the settings that its numbers rest on.

python benchmarks/novelty.py TEXTURES --out docs/images/evidence.png
python benchmarks/novelty.py --generate 84 TEXTURES
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from matcurate.bench.novelty import NoveltyAnswers, NoveltyDraws, bench_novelty, head_learning
from matcurate.config import load_settings
from matcurate.imaging.synth.textures import texture
from matcurate.uncertainty.calibration import risk_coverage
from matcurate.uncertainty.dirichlet import class_means, vacuity

SIZE = (512, 512)
FIRST = 1000
"""Seed of the first generated texture."""
BINS = np.linspace(0, 1, 26)


def generate(folder: Path, count: int) -> None:
    """Write generated textures, one class each."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        drawn = texture(SIZE, np.random.default_rng(FIRST + number))
        cv2.imwrite(str(folder / f"t{number:03d}.png"), drawn)


def draw(answers: Sequence[NoveltyAnswers], path: Path) -> None:
    """Histograms of vacuity on known and novel crops, and risk against coverage, over all choices."""
    known = np.concatenate([vacuity(each.known) for each in answers])
    novel = np.concatenate([vacuity(each.novel) for each in answers])
    confidence = np.concatenate([class_means(each.known).max(axis=1) for each in answers])
    wrong = ~np.concatenate([each.correct for each in answers])
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for values, label, colour in ((known, "known", "#0072B2"), (novel, "novel", "#D55E00")):
        weights = np.full(len(values), 1 / len(values))
        left.hist(values, BINS, weights=weights, alpha=0.6, color=colour, label=f"{label}, mean {values.mean():.3f}")
    left.set(xlabel="vacuity u", ylabel="share of the crops", xlim=(0, 1))
    left.legend(frameon=False, loc="upper center")
    # Of all crops: a novel one is always answered wrongly.
    both, mistaken = np.concatenate([known, novel]), np.concatenate([wrong, np.ones(len(novel), dtype=np.bool_)])
    for values, flags, label, colour in (
        (known, wrong, "known crops, by vacuity", "#0072B2"),
        (1 - confidence, wrong, "known crops, by probability", "#56B4E9"),
        (both, mistaken, "known and novel crops, by vacuity", "#D55E00"),
    ):
        curve = risk_coverage(values, flags)
        right.plot(curve.coverage, curve.risk, color=colour, label=f"{label}, area {curve.area:.4f}")
    right.set(xlabel="coverage", ylabel="risk", xlim=(0, 1), ylim=(0, None))
    right.legend(frameon=False, loc="upper left", fontsize="small")
    figure.savefig(path, dpi=120)


def main(arguments: Sequence[str] | None = None) -> None:
    """Generate textures, or measure and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("textures", type=Path)
    parser.add_argument("--generate", type=int, metavar="N", help="write N generated textures there, and nothing else")
    parser.add_argument("--out", type=Path, help="of the figure")
    parser.add_argument("--known", type=int)
    parser.add_argument("--novel", type=int, default=4)
    parser.add_argument("--choices", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    if asked.generate:
        generate(asked.textures, asked.generate)
        return
    kept: list[NoveltyAnswers] = []
    settings = load_settings()
    draws = NoveltyDraws(asked.known, asked.novel, asked.choices, seed=asked.seed)
    learning, most = head_learning(settings), settings.max_megapixels
    report = bench_novelty(asked.textures, draws, learning, max_megapixels=most, keep=kept.append)
    print(json.dumps(asdict(report), indent=2))
    if asked.out:
        draw(kept, asked.out)


if __name__ == "__main__":
    main()

"""Print how the built-in network stands beside the component tree and Otsu, as in docs/benchmarks.md.

python benchmarks/pretrain.py [--preset phases] [--objects 30] DATASET...
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr
from skimage.measure import label

from matcurate.config import load_settings
from matcurate.imaging.dataset import LabelledMicrograph, open_dataset
from matcurate.promptable.protocol import Backbone
from matcurate.promptable.registry import load_backbone
from matcurate.types import BoolMask, LabelMap
from matcurate.workflows.bench_segment import bench_segment

SMALLEST = 30
"""Pixels; smaller objects are not asked for."""
HEADING = (
    "| dataset | IoU otsu | tree | builtin | ARI tree | builtin | one point, best quality: tree | builtin "
    "| best of three: tree | builtin | rank of quality: tree | builtin | error of quality: tree | builtin |"
)


@dataclass(frozen=True)
class PointScores:
    """How one point per object is answered.

    Mean IoU of the answer with the best quality and of the best answer; Spearman's rank correlation and the mean
    absolute difference of quality and IoU over all answers.
    """

    trusted: float
    best: float
    rank: float
    error: float


def instances_of(sample: LabelledMicrograph) -> LabelMap:
    """Instances of a sample, or the connected components of its phases."""
    return label(sample.phases > 0, connectivity=1) if sample.instances is None else sample.instances


def overlap(one: BoolMask, other: BoolMask) -> float:
    """Intersection over union."""
    return float((one & other).sum() / (one | other).sum())


def ask(backbone: Backbone, folder: Path, objects: int) -> PointScores:
    """Ask a backbone for up to ``objects`` random objects per image, by a random pixel of each."""
    trusted, best, pairs = [], [], []
    for sample in open_dataset(folder):
        loaded = sample.load()
        instances, rng = instances_of(loaded), np.random.default_rng(0)
        large = np.flatnonzero(np.bincount(instances.ravel())[1:] >= SMALLEST) + 1
        truths = [instances == number for number in rng.permutation(large)[:objects]]
        points = [np.argwhere(truth)[rng.integers(truth.sum()), ::-1] for truth in truths]
        prompts = np.array(points, dtype=np.float64).reshape(-1, 1, 2)
        answers = backbone.open(loaded.micrograph.pixels).predict(prompts, np.ones(prompts.shape[:2], dtype=np.int64))
        for truth, answer in zip(truths, answers, strict=True):
            found = [(c.quality, overlap(c.paint(truth.shape), truth)) for c in answer]
            pairs += found
            trusted.append(max(found)[1] if found else 0.0)
            best.append(max((iou for _, iou in found), default=0.0))
    quality, iou = np.array(pairs).T
    rank = float(spearmanr(quality, iou).statistic)
    return PointScores(float(np.mean(trusted)), float(np.mean(best)), rank, float(np.abs(quality - iou).mean()))


def row(folder: Path, preset: str, objects: int) -> str:
    """One line of the table."""
    settings, names = load_settings(), ("tree", "builtin")
    otsu = bench_segment(folder, "otsu", settings=settings, preset=preset, backbone="tree")
    reports = [bench_segment(folder, "matsam", settings=settings, preset=preset, backbone=name) for name in names]
    points = [ask(load_backbone(name, settings.resolved_cache_dir), folder, objects) for name in names]
    values = [otsu.iou, *(r.iou for r in reports), *(r.ari for r in reports)]
    for part in ("trusted", "best", "rank", "error"):
        values += [getattr(scores, part) for scores in points]
    return f"| {'/'.join(folder.absolute().parts[-2:])} | " + " | ".join(f"{value:.3f}" for value in values) + " |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+", type=Path)
    parser.add_argument("--preset", default="phases")
    parser.add_argument("--objects", type=int, default=30)
    chosen = parser.parse_args(arguments)
    print(HEADING)
    print("|---" + "|---:" * 13 + "|")
    for folder in chosen.datasets:
        print(row(folder, chosen.preset, chosen.objects), flush=True)


if __name__ == "__main__":
    main()

"""Print how the built-in network segments and answers prompts, beside Otsu, as in docs/benchmarks.md.

python benchmarks/pretrain.py [--objects 30] [--weights FILE] DATASET[=PRESET]...

The last line is about the answers to all prompts of all datasets together.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects
from scipy.stats import spearmanr
from skimage.measure import label

from matcurate.bench.segment import bench_segment
from matcurate.config import Settings, load_preset, load_settings
from matcurate.imaging.dataset import LabelledMicrograph, open_dataset
from matcurate.promptable.builtin.predictor import BuiltinBackbone
from matcurate.promptable.builtin.shipped import shipped
from matcurate.promptable.builtin.weights import load_weights
from matcurate.promptable.protocol import Backbone
from matcurate.segmentation.matsam.pipeline import MatSam, MatSamPreset
from matcurate.segmentation.metrics import Scores, evaluate
from matcurate.types import BoolMask, Candidate, LabelMap
from segment import Folder

SMALLEST = 30
"""Pixels; smaller objects are not asked for."""
PARTS = ("IoU", "ARI", "one point", "best of three", "rank", "error", "box", "box rank", "box error")


@dataclass(frozen=True)
class Answered:
    """How prompts of one kind are answered.

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


def overlap(candidate: Candidate, truth: BoolMask) -> float:
    """Intersection over union."""
    mask = candidate.paint(truth.shape)
    return float((mask & truth).sum() / (mask | truth).sum())


def summary(answers: Sequence[Sequence[tuple[float, float]]]) -> Answered:
    """Scores of answers, each a sequence of (quality, IoU)."""
    trusted = [max(one)[1] if one else 0.0 for one in answers]
    best = [max((iou for _, iou in one), default=0.0) for one in answers]
    pairs = np.array([pair for one in answers for pair in one])
    if len(pairs) < 2:
        return Answered(float(np.mean(trusted)), float(np.mean(best)), float("nan"), float("nan"))
    quality, iou = pairs.T
    rank = float(spearmanr(quality, iou).statistic)
    return Answered(float(np.mean(trusted)), float(np.mean(best)), rank, float(np.abs(quality - iou).mean()))


@dataclass(frozen=True)
class Asked:
    """Answers to points and to boxes: of each prompt the (quality, IoU) of all it was answered with."""

    pointed: list[list[tuple[float, float]]] = field(default_factory=list)
    boxed: list[list[tuple[float, float]]] = field(default_factory=list)

    def add(self, other: "Asked") -> None:
        """Take in the answers of another dataset."""
        self.pointed.extend(other.pointed)
        self.boxed.extend(other.boxed)

    def values(self) -> list[float]:
        """The table's columns from the fourth on."""
        point, box = summary(self.pointed), summary(self.boxed)
        return [point.trusted, point.best, point.rank, point.error, box.trusted, box.rank, box.error]


def ask(backbone: Backbone, folder: Path, objects: int) -> Asked:
    """Ask for up to ``objects`` random objects per image: by a random pixel of each, and by its bounding box."""
    asked = Asked()
    for sample in open_dataset(folder):
        loaded = sample.load()
        instances, rng = instances_of(loaded), np.random.default_rng(0)
        large = np.flatnonzero(np.bincount(instances.ravel())[1:] >= SMALLEST) + 1
        if not len(large):
            continue
        truths = [instances == number for number in rng.permutation(large)[:objects]]
        points = [np.argwhere(truth)[rng.integers(truth.sum()), ::-1] for truth in truths]
        predictor = backbone.open(loaded.micrograph.pixels)
        prompts = np.array(points, dtype=np.float64).reshape(-1, 1, 2)
        answers = predictor.predict(prompts, np.ones(prompts.shape[:2], dtype=np.int64))
        fitting = predictor.predict_boxes(np.array([box_of(truth) for truth in truths]))
        for truth, point, box in zip(truths, answers, fitting, strict=True):
            asked.pointed.append([(candidate.quality, overlap(candidate, truth)) for candidate in point])
            asked.boxed.append([(candidate.quality, overlap(candidate, truth)) for candidate in box])
    return asked


def box_of(truth: BoolMask) -> NDArray[np.float64]:
    """(x0, y0, x1, y1) around a mask."""
    rows, columns = find_objects(truth.astype(np.int8))[0]
    return np.array([columns.start, rows.start, columns.stop, rows.stop], dtype=np.float64)


def segmented(backbone: Backbone, folder: Path, preset: MatSamPreset) -> tuple[float, float]:
    """Mean IoU of both classes and adjusted Rand index of MatSAM on this backbone."""
    matsam, scores = MatSam(backbone, preset), list[Scores]()
    for sample in open_dataset(folder):
        loaded = sample.load()
        scores.append(evaluate(matsam.segment(loaded.micrograph.pixels), loaded.phases, loaded.instances))
    return float(np.mean([score.iou for score in scores])), float(np.mean([score.ari for score in scores]))


def rows(text: str, objects: int, backbone: Backbone, settings: Settings, every: Asked) -> list[str]:
    """One line of the table for Otsu and one for the network, whose answers join those of ``every`` dataset."""
    given = Folder.parse(text)
    folder, preset = given.path, given.preset
    name = given.name + (f" (preset `{preset}`)" if preset != "phases" else "")
    otsu = bench_segment(folder, "otsu", settings=settings, preset=preset)
    asked = ask(backbone, folder, objects)
    every.add(asked)
    values = [*segmented(backbone, folder, load_preset(preset, MatSamPreset, "presets")), *asked.values()]
    return [
        f"| {name} | otsu | {otsu.iou:.3f} | {otsu.ari:.3f} |" + " |" * (len(PARTS) - 2),
        f"| {name} | {backbone.name} | " + " | ".join(f"{value:.3f}" for value in values) + " |",
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+")
    parser.add_argument("--objects", type=int, default=30)
    parser.add_argument("--weights", type=Path, help="instead of the package's own")
    chosen = parser.parse_args(arguments)
    backbone = shipped() if chosen.weights is None else BuiltinBackbone(load_weights(chosen.weights))
    print("| dataset | method | " + " | ".join(PARTS) + " |")
    print("|---|---" + "|---:" * len(PARTS) + "|")
    every = Asked()
    for text in chosen.datasets:
        print("\n".join(rows(text, chosen.objects, backbone, load_settings(), every)), flush=True)
    cells = " | ".join(f"{value:.3f}" for value in every.values())
    print(f"| all answers | {backbone.name} | | | {cells} |", flush=True)


if __name__ == "__main__":
    main()

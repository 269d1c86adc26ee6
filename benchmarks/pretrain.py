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
from matcurate.imaging.dataset import open_dataset
from matcurate.promptable.builtin.predictor import BuiltinBackbone
from matcurate.promptable.builtin.shipped import shipped
from matcurate.promptable.builtin.weights import load_weights
from matcurate.promptable.protocol import Backbone
from matcurate.segmentation.matsam.pipeline import MatSam, MatSamPreset
from matcurate.segmentation.metrics import Scores, evaluate
from matcurate.types import BoolMask, Candidate
from segment import Folder

SMALLEST = 30
"""Pixels; smaller objects are not asked for."""
PARTS = ("IoU", "ARI", "one point", "best of three", "rank", "error", "box", "box rank", "box error")


Answer = list[tuple[float, float]]
"""(quality, IoU) of all that a prompt was answered with."""


def overlap(candidate: Candidate, truth: BoolMask) -> float:
    """Intersection over union."""
    mask = candidate.paint(truth.shape)
    return float((mask & truth).sum() / (mask | truth).sum())


def summary(answers: Sequence[Answer]) -> tuple[float, float, float, float]:
    """Mean IoU of the answer with the best quality and of the best one; agreement of quality and IoU over all answers.

    The agreement is Spearman's rank correlation and the mean absolute difference; NaN of fewer than two answers.
    """
    trusted = np.mean([max(answer)[1] if answer else 0.0 for answer in answers])
    best = np.mean([max((iou for _, iou in answer), default=0.0) for answer in answers])
    pairs = np.array([pair for answer in answers for pair in answer])
    if len(pairs) < 2:
        return float(trusted), float(best), float("nan"), float("nan")
    quality, iou = pairs.T
    rank = float(spearmanr(quality, iou).statistic)
    return float(trusted), float(best), rank, float(np.abs(quality - iou).mean())


@dataclass(frozen=True)
class PromptAnswers:
    """Answers to points and to boxes."""

    pointed: list[Answer] = field(default_factory=list)
    boxed: list[Answer] = field(default_factory=list)

    def values(self) -> list[float]:
        """The table's columns from the fourth on."""
        trusted, _, rank, error = summary(self.boxed)
        return [*summary(self.pointed), trusted, rank, error]


def ask(backbone: Backbone, folder: Path, objects: int) -> PromptAnswers:
    """Ask for up to ``objects`` random objects per image: by a random pixel of each, and by its bounding box."""
    given = PromptAnswers()
    for sample in open_dataset(folder):
        loaded = sample.load()
        instances, rng = loaded.instances, np.random.default_rng(0)
        if instances is None:
            instances = label(loaded.phases > 0, connectivity=1)
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
            given.pointed.append([(candidate.quality, overlap(candidate, truth)) for candidate in point])
            given.boxed.append([(candidate.quality, overlap(candidate, truth)) for candidate in box])
    return given


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


def rows(text: str, objects: int, backbone: Backbone, settings: Settings, every: PromptAnswers) -> list[str]:
    """One line of the table for Otsu and one for the network, whose answers join those of ``every`` dataset."""
    given = Folder.parse(text)
    folder, preset = given.path, given.preset
    name = given.name + (f" (preset `{preset}`)" if preset != "phases" else "")
    otsu = bench_segment(folder, "otsu", settings=settings, preset=preset)
    answers = ask(backbone, folder, objects)
    every.pointed.extend(answers.pointed)
    every.boxed.extend(answers.boxed)
    values = [*segmented(backbone, folder, load_preset(preset, MatSamPreset, "presets")), *answers.values()]
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
    every = PromptAnswers()
    for text in chosen.datasets:
        print("\n".join(rows(text, chosen.objects, backbone, load_settings(), every)), flush=True)
    cells = " | ".join(f"{value:.3f}" for value in every.values())
    print(f"| all answers | {backbone.name} | | | {cells} |", flush=True)


if __name__ == "__main__":
    main()

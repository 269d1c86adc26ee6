"""What MatSAM finds on labelled micrographs without any training, in the Dice that fine-tuning is measured with."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matcurate.bench.dice import dice_of_classes, foreground_dice, mean_dice
from matcurate.config import Settings
from matcurate.imaging import ignored_of, open_dataset, with_unknown
from matcurate.segmentation.build import build_segmenter
from matcurate.types import UNKNOWN, LabelMap, Progress, silent

Predicted = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class ZeroShotBenchmark:
    """Means over the micrographs of a dataset folder.

    MatSAM does not know the names of what it finds. ``names`` has the phase that each of its classes was taken for,
    the same on every micrograph: that which gives the largest ``dice``, so the truth helps it here. For
    ``dice_foreground`` no names are needed: background, and all phases as one.
    """

    dataset: str
    version: str
    images: int
    names: tuple[int, ...]
    dice: float
    dice_per_class: tuple[float | None, ...]
    dice_foreground: float


def bench_zero_shot(
    folder: Path,
    *,
    settings: Settings,
    preset: str | None = None,
    backbone: str | None = None,
    progress: Progress = silent,
) -> ZeroShotBenchmark:
    """Segment every image of a dataset folder with MatSAM and compare with its masks.

    Raises DatasetError or UnreadableImageError when the folder cannot be read, ConfigError for an unknown preset or
    backbone.
    """
    segmenter = build_segmenter(settings, preset, backbone)
    predicted: list[Predicted] = []
    truth: list[LabelMap] = []
    samples = open_dataset(folder).samples
    for done, sample in enumerate(samples):
        progress(done, len(samples), sample.name)
        labelled = sample.load(max_megapixels=settings.max_megapixels)
        ignored = ignored_of(labelled.micrograph)
        predicted.append(segmenter.segment(labelled.micrograph.pixels, ignored=ignored).phases)
        truth.append(with_unknown(labelled.phases, ignored))
    names = _best_names(predicted, truth)
    named = [_named(labels, names) for labels in predicted]
    phases = _phases(truth)
    return ZeroShotBenchmark(
        dataset=str(folder),
        version=segmenter.version,
        images=len(predicted),
        names=names,
        dice=mean_dice(dice_of_classes(named, truth, phases)),
        dice_per_class=dice_of_classes(named, truth, phases),
        dice_foreground=foreground_dice(named, truth),
    )


def _best_names(predicted: Sequence[Predicted], truth: Sequence[LabelMap]) -> tuple[int, ...]:
    """Phase of every found class but the background, that together give the largest mean Dice."""
    phases = _phases(truth)
    classes = max(int(labels.max()) for labels in predicted)
    choices = product(range(1, phases), repeat=classes)
    return max(
        choices,
        key=lambda names: mean_dice(dice_of_classes([_named(labels, names) for labels in predicted], truth, phases)),
    )


def _phases(truth: Sequence[LabelMap]) -> int:
    """Number of classes, by the largest id."""
    return 1 + max(int(labels[labels != UNKNOWN].max(initial=0)) for labels in truth)


def _named(predicted: Predicted, names: tuple[int, ...]) -> Predicted:
    named: Predicted = np.array((0, *names), np.uint8)[predicted]
    return named

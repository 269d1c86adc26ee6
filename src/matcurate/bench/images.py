"""The loop of every benchmark on a dataset folder: image by image, with a line for each that cannot be measured."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from matcurate.errors import DatasetError, UnreadableImageError
from matcurate.imaging.dataset import Dataset, LabelledMicrograph, Sample
from matcurate.types import Progress

Score = TypeVar("Score")


def measure_images(
    dataset: Dataset,
    measure: Callable[[Sample, LabelledMicrograph], Score],
    *,
    max_megapixels: float,
    progress: Progress,
) -> tuple[tuple[Score, ...], tuple[str, ...]]:
    """Scores of every image that can be measured, loaded one after the other, and what is wrong with the others.

    ``measure`` may raise DatasetError; an image over ``max_megapixels`` is not readable. Raises DatasetError when none
    can be measured.
    """
    scores: list[Score] = []
    problems: list[str] = []
    for done, sample in enumerate(dataset):
        progress(done, len(dataset), sample.name)
        try:
            scores.append(measure(sample, sample.load(max_megapixels=max_megapixels)))
        except (UnreadableImageError, DatasetError) as error:
            problems.append(str(error))
    if not scores:
        raise DatasetError(f"{dataset.folder}: no image could be measured; the first problem: {problems[0]}")
    return tuple(scores), tuple(problems)


def mean_of(scores: Sequence[object], name: str) -> float | None:
    """Mean of their number called ``name`` over the scores that have it; None where none has."""
    values = [value for score in scores if (value := getattr(score, name)) is not None]
    return float(np.mean(values)) if values else None


def means_of(scores: Sequence[object], names: Iterable[str]) -> dict[str, Any]:
    """Means of several numbers, to be given to a report."""
    return {name: mean_of(scores, name) for name in names}

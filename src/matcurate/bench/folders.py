"""What benchmarks share on a dataset folder: its pictures, their phases, and the loop over its images."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from matcurate.config import Settings
from matcurate.errors import DatasetError, UnreadableImageError
from matcurate.imaging import ignored_of, open_dataset
from matcurate.imaging.dataset import Dataset, LabelledMicrograph, Sample
from matcurate.phase.samples import Picture
from matcurate.phase.samples import picture as picture_of
from matcurate.types import UNKNOWN, Progress


def labelled_pictures(folder: Path, settings: Settings) -> list[Picture]:
    """All pictures of a dataset folder; DatasetError or UnreadableImageError when it or one of them cannot be read."""
    pictures = []
    for sample in open_dataset(folder):
        labelled = sample.load(max_megapixels=settings.max_megapixels)
        micrograph = labelled.micrograph
        pictures.append(picture_of(sample.name, micrograph.pixels, labelled.phases, ignored_of(micrograph)))
    return pictures


def class_names(folder: Path, learned: Sequence[Picture], measured: Sequence[Picture]) -> tuple[str, ...]:
    """Names of the phases: those of the folder's ``dataset.yaml``, else numbers up to the largest id that is learned.

    Raises DatasetError when a measured picture has a phase that none of these is.
    """
    named = open_dataset(folder).info.classes
    count = len(named) or 1 + max(_largest_id(picture) for picture in learned)
    for picture in measured:
        if (largest := _largest_id(picture)) >= count:
            raise DatasetError(f"{picture.name}: phase id {largest}, but {count} are learned; fix its mask")
    return named or tuple(str(index) for index in range(count))


def _largest_id(picture: Picture) -> int:
    return int(picture.labels[picture.labels != UNKNOWN].max(initial=0))


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

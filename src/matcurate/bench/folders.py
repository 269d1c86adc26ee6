"""What benchmarks and classes read alike: a backbone with weights, pictures of a dataset folder, their phases."""

from collections.abc import Sequence
from pathlib import Path

from matcurate.config import Settings
from matcurate.errors import DatasetError
from matcurate.imaging import ignored_of, open_dataset
from matcurate.phase.samples import Picture
from matcurate.phase.samples import picture as picture_of
from matcurate.types import UNKNOWN


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

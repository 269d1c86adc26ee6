"""What benchmarks and classes read alike: a backbone with weights, pictures of a dataset folder, their phases."""

from collections.abc import Sequence
from pathlib import Path

from matcurate.config import Settings
from matcurate.errors import DatasetError
from matcurate.imaging import ignored_of, open_dataset
from matcurate.phase.samples import Picture, picture
from matcurate.types import UNKNOWN


def labelled_pictures(folder: Path, settings: Settings) -> list[Picture]:
    """All pictures of a dataset folder; DatasetError or UnreadableImageError when it or one of them cannot be read."""
    found = []
    for sample in open_dataset(folder):
        labelled = sample.load(max_megapixels=settings.max_megapixels)
        micrograph = labelled.micrograph
        found.append(picture(sample.name, micrograph.pixels, labelled.phases, ignored_of(micrograph)))
    return found


def class_names(folder: Path, learned: Sequence[Picture], measured: Sequence[Picture]) -> tuple[str, ...]:
    """Names of the phases: those of the folder's ``dataset.yaml``, else numbers up to the largest id that is learned.

    Raises DatasetError when a measured picture has a phase that none of these is.
    """
    named = open_dataset(folder).info.classes
    count = len(named) or 1 + max(_largest_id(each) for each in learned)
    for each in measured:
        if _largest_id(each) >= count:
            raise DatasetError(f"{each.name}: phase id {_largest_id(each)}, but {count} are learned; mend its mask")
    return named or tuple(str(index) for index in range(count))


def _largest_id(picture: Picture) -> int:
    return int(picture.labels[picture.labels != UNKNOWN].max(initial=0))

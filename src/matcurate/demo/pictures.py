"""The micrographs of a demo, and the masks that its simulated expert draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from matcurate.errors import DatasetError
from matcurate.imaging.dataset import Dataset, open_dataset, read_info, write_info, write_sample
from matcurate.imaging.labels import read_labels
from matcurate.imaging.read import read_micrograph
from matcurate.plain.synthesise import synthesise
from matcurate.workflows.ingest import content_hash

GENERATED_KIND = "precipitates"
GENERATED_SIZE = (480, 640)
FIELDS = (3, 4)
"""Rows and columns of fields that are cut from one generated micrograph."""
LEARNS_FROM = 6
"""Smallest set that is split: a quarter golden, a sixth untouched, the rest to train on."""


@dataclass(frozen=True, slots=True)
class DemoSet:
    """The micrographs of a demo, for a project ``name`` of its own.

    ``images`` is their folder, ``phases`` the names of class ids 1, 2, …. ``masks``: mask file by content hash, empty
    when the folder has none. ``golden``: files kept for evaluation. ``untouched``: content hashes of the micrographs
    that the expert leaves to the champion.
    """

    name: str
    images: Path
    phases: tuple[str, ...]
    masks: Mapping[str, Path]
    golden: tuple[Path, ...] = ()
    untouched: frozenset[str] = frozenset()

    @property
    def learned_from(self) -> int:
        """How many micrographs the expert corrects for training."""
        return len(self.masks) - len(self.golden) - len(self.untouched)


def generated_set(folder: Path, n: int, seed: int) -> DemoSet:
    """Generate ``n`` fields of view of precipitates into ``folder``, unless they are there; earlier ones stay.

    Twelve are cut from one large micrograph, as fields of one specimen look alike.
    """
    rows, columns = FIELDS
    height, width = GENERATED_SIZE
    sheets = folder / "sheets"
    for number in range(-(-n // (rows * columns))):
        name = f"{GENERATED_KIND}-{seed}-{number:04d}"
        if not (sheets / "images" / f"{name}.png").exists():
            size = (rows * height, columns * width)
            synthesise(GENERATED_KIND, number + 1, sheets, size=size, seed=seed, force=True)
        wanted = range(number * rows * columns, min(n, (number + 1) * rows * columns))
        names = [f"{GENERATED_KIND}-{seed}-field-{index:04d}" for index in wanted]
        if (folder / "images" / f"{names[-1]}.png").exists():  # written one after the other
            continue
        write_info(folder, read_info(sheets))
        pixels = read_micrograph(sheets / "images" / f"{name}.png").pixels
        phases = read_labels(sheets / "masks" / f"{name}.png")
        for place, field in enumerate(names):
            top, left = height * (place // columns), width * (place % columns)
            area = (slice(top, top + height), slice(left, left + width))
            write_sample(folder, field, pixels[area], phases[area])
    return labelled_set(folder, "generated")


def given_set(folder: Path) -> DemoSet:
    """A dataset folder with its masks, or any folder of micrographs without."""
    if (folder / "masks").is_dir():
        return labelled_set(folder, _name(folder))
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder; name a folder of micrographs, or leave it out for generated ones")
    return DemoSet(_name(folder), folder, ("phase",), {})


def labelled_set(folder: Path, name: str) -> DemoSet:
    """A dataset folder, for a project of that name.

    Raises DatasetError when it does not follow the documented layout, or a file in it cannot be read.
    """
    dataset = open_dataset(folder)
    try:
        hashes = {content_hash(sample.image_path.read_bytes(), 0, 1): sample for sample in dataset}
    except OSError as error:
        raise DatasetError(f"{error.filename}: {error.strerror}; grant read rights to it") from error
    masks = {content: sample.mask_path for content, sample in hashes.items()}
    golden, untouched = 0, 0
    if len(masks) >= LEARNS_FROM:
        golden, untouched = len(masks) // 4, len(masks) // 6
    last = list(hashes)[len(masks) - golden - untouched :]
    return DemoSet(
        name,
        folder / "images",
        _phases(dataset),
        masks,
        tuple(hashes[content].image_path for content in last[untouched:]),
        frozenset(last[:untouched]),
    )


def _name(folder: Path) -> str:
    """Last two parts of the path: many sets are called ``train`` or ``images``."""
    return "-".join(part for part in folder.absolute().parts[-2:] if part != folder.anchor) or "micrographs"


def _phases(dataset: Dataset) -> tuple[str, ...]:
    highest = max(int(np.max(read_labels(sample.mask_path))) for sample in dataset)
    named = dataset.info.classes[1:]
    count = max(highest, len(named), 1)
    return tuple(named[k] if k < len(named) else f"phase {k + 1}" for k in range(count))

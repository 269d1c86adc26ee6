"""Dataset folders: micrographs with their masks (the layout of CONTRACT.md, "A dataset folder").

``DIR/images/NAME.*`` with ``DIR/masks/NAME.png`` (class ids, 0 background), optionally ``DIR/instances/NAME.png|tif``
and ``DIR/dataset.yaml``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml
from pydantic import Field, ValidationError, model_validator

from matcurate.config import Strict, first_problem
from matcurate.errors import DatasetError
from matcurate.files import replace_file
from matcurate.imaging.labels import encode_labels, read_labels, write_labels
from matcurate.imaging.micrograph import Micrograph
from matcurate.imaging.proxy import encode_image
from matcurate.imaging.read import SUFFIXES, read_micrograph
from matcurate.types import Calibration, LabelMap, Pixels

INSTANCE_SUFFIXES = (".tif", ".tiff", ".png")


class DatasetInfo(Strict):
    """Content of ``dataset.yaml``.

    ``classes[i]`` names class id i, so the first name is that of the background or matrix. ``nm_per_px`` is the width
    of a pixel; ``nm_per_px_y`` its height, where pixels are not square.
    """

    classes: tuple[str, ...] = ()
    nm_per_px: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    nm_per_px_y: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    licence: str | None = None
    source: str | None = None

    @model_validator(mode="after")
    def _width_before_height(self) -> "DatasetInfo":
        if self.nm_per_px_y is not None and self.nm_per_px is None:
            raise ValueError("nm_per_px_y, the height of a pixel, needs nm_per_px, its width")
        return self

    @property
    def calibration(self) -> Calibration | None:
        """Pixel size, None where the width is not stated."""
        return Calibration.of_edges(self.nm_per_px, self.nm_per_px_y)


@dataclass(frozen=True, slots=True, eq=False)
class LabelledMicrograph:
    """A micrograph with its truth (H, W): class ids, 0 the background, and perhaps instance ids, 0 none."""

    micrograph: Micrograph
    phases: LabelMap
    instances: LabelMap | None


@dataclass(frozen=True, slots=True)
class Sample:
    """Where one micrograph of a dataset and its label images lie."""

    name: str
    image_path: Path
    mask_path: Path
    instances_path: Path | None
    info: DatasetInfo = field(default_factory=DatasetInfo)

    def load(self, *, max_megapixels: float = 400.0) -> LabelledMicrograph:
        """Read the micrograph and its label images; the dataset's pixel size stands in where the file states none.

        Raises UnreadableImageError for the image, and DatasetError when a label image cannot be read, has another size
        than the image, or holds a class without a name.
        """
        micrograph = read_micrograph(self.image_path, max_megapixels=max_megapixels)
        if micrograph.calibration is None:
            micrograph = replace(micrograph, calibration=self.info.calibration)
        phases = self._labels(self.mask_path, micrograph.shape)
        named = len(self.info.classes)
        if named and int(phases.max()) >= named:
            raise DatasetError(
                f"{self.mask_path}: class id {int(phases.max())}, but dataset.yaml names {named} classes "
                f"(0 to {named - 1}); add its name there or fix the mask"
            )
        instances = None if self.instances_path is None else self._labels(self.instances_path, micrograph.shape)
        return LabelledMicrograph(micrograph, phases, instances)

    def _labels(self, path: Path, shape: tuple[int, int]) -> LabelMap:
        labels = read_labels(path)
        if labels.shape != shape:
            raise DatasetError(
                f"{path}: {labels.shape[1]} x {labels.shape[0]} pixels, but its image has {shape[1]} x {shape[0]}; "
                "export both at the same size"
            )
        return labels


@dataclass(frozen=True, slots=True)
class Dataset:
    """The samples of a dataset folder, sorted by name; iterable and sized."""

    folder: Path
    info: DatasetInfo
    samples: tuple[Sample, ...]

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    def __len__(self) -> int:
        return len(self.samples)

    def first(self, count: int | None) -> "Dataset":
        """The first samples only; all of them for None."""
        return self if count is None else replace(self, samples=self.samples[:count])


def open_dataset(folder: Path) -> Dataset:
    """List a dataset folder, sorted by name; nothing is decoded yet.

    Raises DatasetError when there is no ``images`` folder or no image in it, an image has no mask, two images share a
    name, or ``dataset.yaml`` is malformed or holds an unknown key.
    """
    images = folder / "images"
    if not images.is_dir():
        raise DatasetError(f"{folder}: not a dataset folder, it has no 'images' folder; see docs on dataset folders")
    files = sorted(
        path for path in images.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )
    if not files:
        raise DatasetError(f"{images}: no images ({', '.join(SUFFIXES)}); put the micrographs there")
    info = read_info(folder)
    samples: dict[str, Sample] = {}
    for path in files:
        if path.stem in samples:
            other = samples[path.stem].image_path.name
            raise DatasetError(f"{images}: {other} and {path.name} share one mask; rename one of them")
        samples[path.stem] = _sample(folder, path, info)
    return Dataset(folder, info, tuple(samples[name] for name in sorted(samples)))


def read_info(folder: Path) -> DatasetInfo:
    """``dataset.yaml`` of a folder, empty when there is none; DatasetError when malformed or with an unknown key."""
    path = folder / "dataset.yaml"
    if not path.is_file():
        return DatasetInfo()
    try:
        return DatasetInfo.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except ValidationError as error:
        raise DatasetError(f"{path}: {first_problem(error)}; fix it") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: not valid YAML ({str(error).splitlines()[0]}); fix it") from error


def write_info(folder: Path, info: DatasetInfo) -> None:
    """Write ``dataset.yaml`` without the fields that are not known."""
    folder.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(info.model_dump(mode="json", exclude_none=True), sort_keys=False, allow_unicode=True)
    replace_file(folder / "dataset.yaml", text.encode())


def write_sample(
    folder: Path, name: str, pixels: Pixels, phases: LabelMap, instances: LabelMap | None = None
) -> Sample:
    """Add a micrograph (H, W) and its label images to a dataset folder, replacing a sample of the same name.

    Pixels are written as PNG, float32 as TIFF; class ids in [0, 65535] as PNG, instance ids in [0, 2**32 - 1] as 16- or
    32-bit TIFF. The image is written last, so a sample is never listed without its mask. Raises DatasetError when ids
    do not fit or the sizes differ.
    """
    for labels in (phases, instances):
        if labels is not None and labels.shape != pixels.shape:
            raise DatasetError(f"{name}: labels {labels.shape} for an image {pixels.shape}; give both one size")
    data, suffix = encode_image(pixels)
    mask = encode_labels(phases, ".png")
    for part in ("images", "masks", "instances"):
        (folder / part).mkdir(parents=True, exist_ok=True)
        for old in [path for path in (folder / part).iterdir() if path.stem == name]:
            old.unlink()
    replace_file(folder / "masks" / f"{name}.png", mask)
    if instances is not None:
        write_labels(folder / "instances" / f"{name}.tif", instances)
    image_path = folder / "images" / f"{name}{suffix}"
    replace_file(image_path, data)
    return _sample(folder, image_path, DatasetInfo())


def _sample(folder: Path, image_path: Path, info: DatasetInfo) -> Sample:
    name = image_path.stem
    mask = folder / "masks" / f"{name}.png"
    if not mask.is_file():
        raise DatasetError(f"{image_path}: no mask {mask}; add it or remove the image")
    candidates = [folder / "instances" / f"{name}{suffix}" for suffix in INSTANCE_SUFFIXES]
    instances = next((path for path in candidates if path.is_file()), None)
    return Sample(name, image_path, mask, instances, info)

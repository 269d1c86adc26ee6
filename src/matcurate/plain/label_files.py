"""Label images of one micrograph: which belong together, and whether their ids are objects or classes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from skimage.measure import label

from matcurate.errors import DatasetError
from matcurate.imaging.dataset import INSTANCE_SUFFIXES, DatasetInfo, read_info
from matcurate.imaging.ignored import IGNORED, ignored_of
from matcurate.imaging.labels import read_labels, smallest_labels
from matcurate.imaging.read import SUFFIXES, read_micrograph
from matcurate.imaging.rois import ROI_SUFFIXES, read_rois
from matcurate.morphology.lines import BoundaryReading, Colour, part_grains, read_boundaries
from matcurate.types import BoolMask, Calibration, LabelMap

Content = Literal["instances", "phases"]
Boundaries = Literal["auto", "none"] | Colour

MOST_CLASSES = 64
"""An image with more class ids than this is taken for something else."""
SMALLEST = 16
"""Shortest edge in pixels that can be parted into fields."""
OBJECTS, CLASSES = ".instances", ".phases"
"""What ``curate segment`` puts between the name of a micrograph and the suffix."""


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Objects and classes (H, W) of the micrograph ``name``; 0 is background.

    Without object ids (``instances_path`` is None), the pieces of each class are the objects. Pixel size and names of
    the classes are what the file or the dataset folder states. ``reading`` says whether an image of two colours shows
    boundary lines, and ``lines`` where; None for other images. ``ignored`` is what is no micrograph, by the mask that
    ``curate segment`` wrote or by the micrograph beside.
    """

    name: str
    instances: LabelMap
    phases: LabelMap | None
    instances_path: Path | None
    phases_path: Path | None
    calibration: Calibration | None
    classes: tuple[str, ...]
    reading: BoundaryReading | None = None
    lines: BoolMask | None = None
    ignored: BoolMask | None = None


def load_labels(
    path: Path,
    phases: Path | None = None,
    content: Content | Literal["auto"] = "auto",
    *,
    boundaries: Boundaries = "auto",
    image: Path | None = None,
    max_megapixels: float = 400.0,
) -> Labels:
    """Read a label image and the one that belongs to it.

    ``NAME.instances.tif`` and ``NAME.phases.png`` (of ``curate segment``) belong together, and so do
    ``instances/NAME.*`` and ``masks/NAME.png`` of a dataset folder. Other files are judged by what they hold: when more
    ids are in several pieces than in one, they are classes, else objects. An image of two colours may show boundary
    lines, which :func:`~matcurate.morphology.lines.read_boundaries` decides; the objects are then what they part.

    With ``phases``, a file of class ids, ``path`` holds objects; ``content`` says it whatever the name, and instances
    show no boundary lines. ``image`` is the micrograph that ImageJ's regions in ``path`` (``.roi``, ``.zip``) were
    drawn on. Raises UnreadableImageError or DatasetError with the file and the remedy.
    """
    if path.suffix.lower() in ROI_SUFFIXES:
        return _regions(path, image, max_megapixels)
    if image is not None:
        raise DatasetError(f"{path}: --image goes with ImageJ's regions ({', '.join(ROI_SUFFIXES)}); leave it out")
    ids, stated = _read_checked(path, max_megapixels)
    named = _content_by_name(path)
    given: Content | None = "instances" if phases else None if content == "auto" else content
    kind = given or named or _content_by_pieces(ids)
    other = phases or (_sibling(path, kind) if named == kind else None)
    objects, classes = (path, other) if kind == "instances" else (other, path)
    object_ids = ids if objects == path else pieces(ids) if objects is None else read_labels(objects)
    class_ids = ids if classes == path else None if classes is None else read_labels(classes)
    if stated is None and objects is not None and objects != path:
        stated = read_micrograph(objects, max_megapixels=max_megapixels).calibration
    if class_ids is not None:
        _check_classes(class_ids, classes)
        if class_ids.shape != object_ids.shape:
            raise DatasetError(
                f"{objects} has {_size(object_ids)}, {classes} {_size(class_ids)}; give both at one size"
            )
    inside = _in_dataset(path, "instances", "masks")
    info = read_info(path.absolute().parent.parent) if inside else DatasetInfo()
    reading, lines = None, None
    if objects in (path, None) and content != "instances":
        reading, lines = _boundaries(path, ids, boundaries)
    if lines is not None:
        object_ids, objects = part_grains(lines), path
        if kind == "phases" and (given or named) is None:
            class_ids = classes = None  # the colours are lines and grains, no phases
    return Labels(
        name=_name(path),
        instances=object_ids,
        phases=class_ids,
        instances_path=objects,
        phases_path=classes,
        calibration=stated or info.calibration,
        classes=info.classes,
        reading=reading,
        lines=lines,
        ignored=_ignored(path, object_ids.shape, max_megapixels),
    )


def _check_classes(ids: LabelMap, path: Path | None) -> None:
    """Refuse more ids than a micrograph has phases."""
    if (count := len(np.unique(ids))) > MOST_CLASSES:
        remedy = "name a label image, or give --as instances if they are objects"
        raise DatasetError(f"{path}: {count} different ids, which are no classes of phases; {remedy}")


def _boundaries(path: Path, ids: LabelMap, stated: Boundaries) -> tuple[BoundaryReading | None, BoolMask | None]:
    """How an image of two colours is read, and where its lines are if it shows any."""
    low, high = ids.min(), ids.max()
    white: BoolMask = ids == high
    if low == high or not np.all(white | (ids == low)):
        if stated in ("white", "black"):
            raise DatasetError(
                f"{path}: {len(np.unique(ids))} different values; --boundaries {stated} needs an image of two colours, "
                "threshold it first"
            )
        return None, None
    reading = read_boundaries(white, stated)
    return reading, {"white": white, "black": ~white, "none": None}[reading.lines]


def _regions(path: Path, image: Path | None, max_megapixels: float) -> Labels:
    """Objects that ImageJ's regions outline, with the pixel size of their image."""
    if image is None:
        raise DatasetError(f"{path}: ImageJ's regions state no image size; give --image MICROGRAPH")
    micrograph = read_micrograph(image, max_megapixels=max_megapixels)
    ids = read_rois(path, micrograph.shape)
    return Labels(path.stem, ids, None, path, None, micrograph.calibration, ())


def pieces(classes: LabelMap) -> LabelMap:
    """Connected pieces (8 neighbours) of every class but 0 as ids 1…N; classes (H, W)."""
    return smallest_labels(label(classes, background=0, connectivity=2))


def _ignored(path: Path, shape: tuple[int, ...], max_megapixels: float) -> BoolMask | None:
    """What is ignored of a label image of this shape: by its mask, else by the micrograph of its dataset folder."""
    mask = path.with_name(f"{_name(path)}{IGNORED}")
    if mask.is_file():
        ignored = read_labels(mask) > 0
    elif not _in_dataset(path, "instances", "masks"):
        return None
    else:
        folder = path.absolute().parent.parent / "images"
        images = [file for suffix in SUFFIXES if (file := folder / f"{path.stem}{suffix}").is_file()]
        if not images:
            return None
        mask = images[0]
        pixels = ignored_of(read_micrograph(mask, max_megapixels=max_megapixels))
        if pixels is None:
            return None
        ignored = pixels
    if ignored.shape != shape:
        raise DatasetError(f"{mask}: {_size(ignored)}, but {path} has {shape[1]} x {shape[0]}; give both at one size")
    return ignored


def _content_by_name(path: Path) -> Content | None:
    if Path(path.stem).suffix.lower() == OBJECTS or _in_dataset(path, "instances"):
        return "instances"
    if Path(path.stem).suffix.lower() == CLASSES or _in_dataset(path, "masks"):
        return "phases"
    return None


def _content_by_pieces(ids: LabelMap) -> Content:
    numbers = pieces(ids)
    owner = np.zeros(int(numbers.max()) + 1, dtype=ids.dtype)
    owner[numbers] = ids
    _, count = np.unique(owner[1:], return_counts=True)
    return "phases" if np.count_nonzero(count > 1) > np.count_nonzero(count == 1) else "instances"


def _in_dataset(path: Path, *folders: str) -> bool:
    place = path.absolute().parent
    return place.name in folders and (place.parent / "images").is_dir()


def _sibling(path: Path, kind: Content) -> Path | None:
    """The label image of the same micrograph that holds what ``path`` does not, if it is there."""
    name = _name(path)
    if Path(path.stem).suffix.lower() in (OBJECTS, CLASSES):
        wanted = [f"{name}{CLASSES}.png"] if kind == "instances" else [f"{name}{OBJECTS}.tif"]
        folder = path.parent
    else:
        wanted = [f"{name}.png"] if kind == "instances" else [name + suffix for suffix in INSTANCE_SUFFIXES]
        folder = path.parent.parent / ("masks" if kind == "instances" else "instances")
    return next((folder / other for other in wanted if (folder / other).is_file()), None)


def _name(path: Path) -> str:
    stem = Path(path.stem)
    return stem.stem if stem.suffix.lower() in (OBJECTS, CLASSES) else path.stem


def _read_checked(path: Path, max_megapixels: float) -> tuple[LabelMap, Calibration | None]:
    """Ids, and the pixel size that the file states; what is too large is refused by its header."""
    calibration = read_micrograph(path, max_megapixels=max_megapixels).calibration
    ids = read_labels(path)
    if min(ids.shape) < SMALLEST:
        raise DatasetError(f"{path}: {_size(ids)}, too few to measure; give at least {SMALLEST} along each edge")
    return ids, calibration


def _size(labels: LabelMap | BoolMask) -> str:
    return f"{labels.shape[1]} x {labels.shape[0]} pixels"

"""What the reader makes of image files: format, pages, scale with its source, data bar and recording."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matcurate.errors import UnreadableImageError
from matcurate.imaging import Acquisition, Micrograph, find_images, opened_image, without_databars
from matcurate.imaging.scale_check import check_scale_bar
from matcurate.types import Progress, silent


@dataclass(frozen=True, slots=True)
class InspectedPage:
    """One page of a file, counted from 0.

    ``name`` is a slice, channel or detector, empty where the file names none; ``dtype`` ``uint8``, ``uint16`` or
    ``float32``. ``scale_source`` states width and height of a pixel. ``databar`` has the first row of the data bar, and
    the row after its last. ``warnings`` are contradictions in the file, and between it and the length
    printed beside its scale bar (extra ``ocr``).
    """

    page: int
    name: str
    height: int
    width: int
    dtype: str
    nm_per_px: float | None
    nm_per_px_y: float | None
    scale_source: str | None
    databar: tuple[int, int] | None
    acquisition: Acquisition
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InspectedFile:
    """A file with those of its pages that can be read."""

    path: str
    format: str
    pages: tuple[InspectedPage, ...]


@dataclass(frozen=True, slots=True)
class InspectReport:
    """Every file; ``problems`` has one line for each file or page that cannot be read."""

    files: tuple[InspectedFile, ...]
    problems: tuple[str, ...]


def inspect_files(
    paths: Sequence[Path], *, max_megapixels: float = 400.0, progress: Progress = silent
) -> InspectReport:
    """Read files, and the images in folders, and report what is known of each page; ``progress`` gets files done."""
    files, problems = find_images(paths)
    inspected: list[InspectedFile] = []
    for number, path in enumerate(files):
        progress(number, len(files), path.name)
        try:
            with opened_image(path, max_megapixels=max_megapixels) as image:
                pages = tuple(_page(micrograph) for micrograph in image.readable(problems))
                inspected.append(InspectedFile(str(path), image.format, pages))
        except UnreadableImageError as error:
            problems.append(str(error))
    progress(len(files), len(files))
    return InspectReport(tuple(inspected), tuple(problems))


def databar_rows(micrograph: Micrograph) -> tuple[int, int] | None:
    """Rows of the data bar, [first, end): as the file states them, else as they look; None where there is none."""
    height, _ = micrograph.shape
    frame = without_databars(micrograph.pixels, micrograph.acquisition.image_rows)
    if frame.bottom < height:
        return frame.bottom, height
    return (0, frame.top) if frame.top else None


def _page(micrograph: Micrograph) -> InspectedPage:
    height, width = micrograph.shape
    calibration = micrograph.calibration
    printed = check_scale_bar(micrograph.pixels, calibration)
    return InspectedPage(
        page=micrograph.page,
        name=micrograph.page_name,
        height=height,
        width=width,
        dtype=str(micrograph.pixels.dtype),
        nm_per_px=None if calibration is None else calibration.nm_per_px,
        nm_per_px_y=None if calibration is None else calibration.nm_per_px_y,
        scale_source=None if calibration is None else calibration.source or None,
        databar=databar_rows(micrograph),
        acquisition=micrograph.acquisition,
        warnings=micrograph.warnings if printed is None else (*micrograph.warnings, printed),
    )

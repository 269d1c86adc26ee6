"""Segment micrograph files and write what metallographers look at."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from matcurate.config import Polarity, Settings
from matcurate.errors import ConfigError, UnreadableImageError
from matcurate.imaging.ignored import IGNORED, counted, frame_within, ignored_of, looked_at
from matcurate.imaging.labels import write_labels
from matcurate.imaging.micrograph import Micrograph
from matcurate.imaging.overlay import write_overlay
from matcurate.imaging.read import find_images, opened_image
from matcurate.morphology import ObjectTable, measure_objects, write_objects
from matcurate.segmentation.boost.build import boosted_segmentation
from matcurate.segmentation.build import build_segmenter
from matcurate.segmentation.matsam.pipeline import MatSam
from matcurate.segmentation.matsam.tiling import boundary_network
from matcurate.segmentation.polarity import foreground_side
from matcurate.segmentation.result import Segmentation
from matcurate.types import BoolMask, Calibration, Progress, silent

UNSURE = "network and grey levels disagree about the foreground; compare with the alternative"


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another foreground that may be the right one: its file (1 on the foreground) and its area fraction."""

    path: str
    phase_fraction: float


@dataclass(frozen=True, slots=True)
class SegmentedImage:
    """What was found on one page of one file, and under which ``name`` the results lie in the output folder.

    ``ignored`` is the part of the image that is data bar, border or scale bar: in none of the fractions, and written as
    ``NAME.ignored.png`` (1 there), if there is any. ``alternative`` is the second suggestion, written as
    ``NAME.alternative.png``; null where there is none.
    """

    path: str
    page: int
    name: str
    instances: int
    seconds: float
    phase_fraction: float
    phase_fractions: dict[int, float]
    score: float
    polarity: str
    nm_per_px: float | None
    nm_per_px_y: float | None
    ignored: float
    alternative: Alternative | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SegmentReport:
    """Everything one call did; ``problems`` has one line for each file or page that could not be segmented."""

    version: str
    out: str
    images: tuple[SegmentedImage, ...]
    problems: tuple[str, ...]


def segment_files(
    paths: Sequence[Path],
    out: Path,
    *,
    settings: Settings,
    preset: str | None = None,
    backbone: str | None = None,
    polarity: Polarity | None = None,
    calibration: Calibration | None = None,
    boost: int | None = None,
    ignore_bars: bool = True,
    progress: Progress = silent,
) -> SegmentReport:
    """Segment files and folders of files; multi-page files page by page.

    Writes ``NAME.instances.tif`` (with the pixel size, where it is known), ``NAME.phases.png``, ``NAME.overlay.png``
    and ``NAME.objects.csv``, and for grains their boundary network as ``NAME.boundaries.png`` (1 on a boundary). NAME
    is the file's name without suffix, after its folder's name where several inputs share it, and with ``_p000`` … for
    the pages of a multi-page file.

    ``calibration`` goes before what the files say. With ``boost``, a number of materials, phases and the instances of
    presets without instances of their own come from SAM-I-Am's booster (:mod:`matcurate.segmentation.boost.build`).
    With ``ignore_bars`` data bars, borders and scale bars count for nothing. Raises ConfigError when the preset or
    backbone does not exist, or the output folder cannot be made; CheckpointError when the backbone's checkpoint is not
    at hand.
    """
    files, problems = find_images(paths)
    segmenter = build_segmenter(settings, preset, backbone)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{out}: cannot be made ({error.strerror}); name another folder") from error
    names = OutputNames(files)
    done: list[SegmentedImage] = []
    for number, path in enumerate(files):
        progress(number, len(files), path.name)
        try:
            with opened_image(path, max_megapixels=settings.max_megapixels) as image:
                for micrograph in image.readable(problems):
                    name = names.claim(path, micrograph.page if image.pages > 1 else None)
                    ignored = ignored_of(micrograph) if ignore_bars else None
                    done.append(
                        segment_micrograph(
                            path, micrograph, ignored, segmenter, out / name, polarity, calibration, boost
                        )
                    )
        except UnreadableImageError as error:
            problems.append(str(error))
    progress(len(files), len(files))
    version = segmenter.version if boost is None else f"{segmenter.version}-boost{boost}"
    return SegmentReport(version, str(out), tuple(done), tuple(problems))


class OutputNames:
    """Gives every page of all inputs of one call a name of its own, also on file systems that ignore case."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._shared = Counter(path.stem.casefold() for path in files)
        self._taken: set[str] = set()

    def claim(self, path: Path, page: int | None) -> str:
        """Name for a page, or for the only page when ``page`` is None; never the same twice."""
        unique = self._shared[path.stem.casefold()] == 1
        base = path.stem if unique else f"{path.absolute().parent.name}_{path.stem}"
        wanted = base if page is None else f"{base}_p{page:03d}"
        name, attempt = wanted, 1
        while name.casefold() in self._taken:
            attempt += 1
            name = f"{wanted}-{attempt}"
        self._taken.add(name.casefold())
        return name


def segment_micrograph(
    path: Path,
    micrograph: Micrograph,
    ignored: BoolMask | None,
    segmenter: MatSam,
    target: Path,
    polarity: Polarity | None = None,
    calibration: Calibration | None = None,
    boost: int | None = None,
) -> SegmentedImage:
    """Segment one page and write the results of :func:`segment_files` as ``target`` with their suffixes."""
    start = time.perf_counter()
    segmentation = _segmentation(micrograph, ignored, segmenter, polarity, boost)
    seconds = time.perf_counter() - start
    scale = calibration or micrograph.calibration
    _write(target, micrograph, segmentation, scale)
    if segmenter.preset.output == "instances":
        write_labels(target.with_name(f"{target.name}.boundaries.png"), boundary_network(segmentation.instances))
    alternative = _alternative(target, segmentation)
    fractions = segmentation.phase_fractions
    return SegmentedImage(
        path=str(path),
        page=micrograph.page,
        name=target.name,
        instances=segmentation.count,
        seconds=seconds,
        phase_fraction=1.0 - fractions.get(0, 0.0),
        phase_fractions=fractions,
        score=segmentation.score,
        polarity=foreground_side(counted(micrograph.pixels, ignored), counted(segmentation.phases, ignored) > 0),
        nm_per_px=scale.nm_per_px if scale else None,
        nm_per_px_y=scale.nm_per_px_y if scale else None,
        ignored=0.0 if ignored is None else float(ignored.mean()),
        alternative=alternative,
        warnings=micrograph.warnings if alternative is None else (*micrograph.warnings, UNSURE),
    )


def _alternative(target: Path, segmentation: Segmentation) -> Alternative | None:
    if segmentation.alternative is None:
        return None
    path = target.with_name(f"{target.name}.alternative.png")
    write_labels(path, segmentation.alternative.astype(np.uint8))
    return Alternative(str(path), float(counted(segmentation.alternative, segmentation.ignored).mean()))


def _segmentation(
    micrograph: Micrograph, ignored: BoolMask | None, segmenter: MatSam, polarity: Polarity | None, boost: int | None
) -> Segmentation:
    pixels, preset = micrograph.pixels, segmenter.preset
    if boost is None:
        return segmenter.segment(pixels, polarity, ignored=ignored)
    materials = boosted_segmentation(looked_at(pixels, ignored), segmenter, boost).without(ignored)
    if preset.output == "instances":
        return replace(segmenter.segment(pixels, polarity, ignored=ignored), phases=materials.phases)
    return materials


def _write(target: Path, micrograph: Micrograph, segmentation: Segmentation, scale: Calibration | None) -> None:
    try:
        write_labels(target.with_name(f"{target.name}.instances.tif"), segmentation.instances, scale)
        write_labels(target.with_name(f"{target.name}.phases.png"), segmentation.phases)
        phases, instances = segmentation.phases, segmentation.instances
        write_overlay(target.with_name(f"{target.name}.overlay.png"), micrograph.pixels, phases, instances)
        if segmentation.ignored is not None:
            write_labels(target.with_name(f"{target.name}{IGNORED}"), segmentation.ignored.astype(np.uint8))
        write_objects(_objects(segmentation, scale), target.with_name(f"{target.name}.objects.csv"), scale)
    except OSError as error:
        raise ConfigError(f"{target.parent}: cannot be written to ({error.strerror}); name another folder") from error


def _objects(segmentation: Segmentation, scale: Calibration | None) -> ObjectTable:
    """Objects of the micrograph: one that a data bar cuts touches the border; places are those of the whole image."""
    frame = frame_within(segmentation.ignored, segmentation.phases.shape)
    table = measure_objects(
        segmentation.instances[frame.inside], segmentation.phases[frame.inside], aspect=scale.aspect if scale else 1.0
    )
    return table.moved(frame.top, frame.left)

"""Divide micrograph files into regions of one texture; what shows one texture is segmented instead."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from matcurate.config import Settings
from matcurate.errors import ConfigError, UnreadableImageError
from matcurate.imaging.ignored import frame_within, ignored_of, looked_at
from matcurate.imaging.labels import write_labels
from matcurate.imaging.micrograph import Micrograph
from matcurate.imaging.overlay import write_overlay
from matcurate.imaging.read import find_images, opened_image
from matcurate.plain.region_plot import write_plot
from matcurate.plain.segment import OutputNames, SegmentedImage, segment_micrograph
from matcurate.segmentation.build import build_segmenter
from matcurate.segmentation.discovery import Discovery, Method, discover
from matcurate.segmentation.matsam.pipeline import MatSam
from matcurate.types import LabelMap, Pixels, Progress, silent
from matcurate.uncertainty.classifier import RegionClass

RegionClassifier = Callable[[Pixels, LabelMap], tuple[RegionClass, ...]]
"""Classes of the regions of an image (H, W), by their ids (H, W)."""
HANDED_OVER = "one texture: its objects were segmented as 'curate segment' does"


@dataclass(frozen=True, slots=True)
class DiscoveredImage:
    """Regions of one page of one file, under the ``name`` that the results have in the output folder.

    ``fractions`` are the shares of the regions 1, 2, … among the pixels that count; ``probabilities`` those of 1, 2, …
    regions. ``segmented`` is what ``curate segment`` made of one texture; null where there are several.
    ``classes`` are null where no class has been named yet.
    """

    path: str
    page: int
    name: str
    regions: int
    reason: str
    seconds: float
    fractions: tuple[float, ...]
    probabilities: tuple[float, ...]
    segmented: SegmentedImage | None
    classes: tuple[RegionClass, ...] | None


@dataclass(frozen=True, slots=True)
class DiscoverReport:
    """Everything one call did; ``problems`` has one line for each file or page that could not be divided."""

    engine: str
    out: str
    images: tuple[DiscoveredImage, ...]
    problems: tuple[str, ...]


def discover_files(
    paths: Sequence[Path],
    out: Path,
    *,
    settings: Settings,
    engine: Method = "network",
    regions: int | None = None,
    seed: int = 0,
    ignore_bars: bool = True,
    classify: RegionClassifier | None = None,
    progress: Progress = silent,
) -> DiscoverReport:
    """Divide files and folders of files; multi-page files page by page.

    Writes ``NAME.regions.tif`` (ids 1, 2, …; 0 is ignored), ``NAME.overlay.png`` and the plot ``NAME.regions.png``.
    What shows one texture is segmented with the preset of the settings, and its results lie beside. ``regions`` None
    estimates the number; ``classify`` names the regions. Raises ConfigError when the output folder cannot be made or
    written to, CheckpointError when a file of the package is damaged.
    """
    files, problems = find_images(paths)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{out}: cannot be made ({error.strerror}); name another folder") from error
    names, done = OutputNames(files), list[DiscoveredImage]()
    run = _Run(settings, engine, regions, seed, ignore_bars, classify, progress)
    for path in files:
        try:
            with opened_image(path, max_megapixels=settings.max_megapixels) as image:
                for micrograph in image.readable(problems):
                    target = out / names.claim(path, micrograph.page if image.pages > 1 else None)
                    try:
                        done.append(run.discover(path, micrograph, target))
                    except ConfigError as error:
                        problems.append(f"{path}: {error}")
        except UnreadableImageError as error:
            problems.append(str(error))
    return DiscoverReport(engine, str(out), tuple(done), tuple(problems))


@dataclass(frozen=True, eq=False)
class _Run:
    """What is the same for all images of a call."""

    settings: Settings
    engine: Method
    regions: int | None
    seed: int
    ignore_bars: bool
    classify: RegionClassifier | None
    progress: Progress

    @cached_property
    def segmenter(self) -> MatSam:
        return build_segmenter(self.settings, None, None)

    def discover(self, path: Path, micrograph: Micrograph, target: Path) -> DiscoveredImage:
        def named(done: int, total: int, note: str = "") -> None:
            self.progress(done, total, f"{target.name}: {note}")

        start = time.perf_counter()
        ignored = ignored_of(micrograph) if self.ignore_bars else None
        seen = looked_at(micrograph.pixels, ignored)
        discovery = discover(seen, self.engine, self.regions, seed=self.seed, progress=named)
        seconds = time.perf_counter() - start
        labels = np.zeros(micrograph.pixels.shape, np.uint8)
        labels[frame_within(ignored, labels.shape).inside] = discovery.labels
        if ignored is not None:
            labels[ignored] = 0
        _write(target, micrograph, labels, discovery, self.seed)
        segmented = None
        if discovery.count == 1 and self.regions is None:
            segmented = segment_micrograph(path, micrograph, ignored, self.segmenter, target)
        areas = np.bincount(labels.ravel(), minlength=discovery.count + 1)[1:]
        return DiscoveredImage(
            path=str(path),
            page=micrograph.page,
            name=target.name,
            regions=discovery.count,
            reason=discovery.reason,
            seconds=seconds,
            fractions=tuple(float(area) for area in areas / max(areas.sum(), 1)),
            probabilities=discovery.probabilities,
            segmented=segmented,
            classes=None if self.classify is None else self.classify(micrograph.pixels, labels),
        )


def _write(target: Path, micrograph: Micrograph, labels: LabelMap, discovery: Discovery, seed: int) -> None:
    try:
        write_labels(target.with_name(f"{target.name}.regions.tif"), labels, micrograph.calibration)
        write_overlay(target.with_name(f"{target.name}.overlay.png"), micrograph.pixels, labels)
        write_plot(target.with_name(f"{target.name}.regions.png"), discovery, seed)
    except OSError as error:
        raise ConfigError(f"{target.parent}: cannot be written to ({error.strerror}); name another folder") from error

"""Measure a segmentation method on a dataset folder; what the tables in docs/benchmarks.md are made with."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from matcurate.bench.images import mean_of, mean_of_known, measure_images
from matcurate.config import Polarity, Settings, load_preset
from matcurate.errors import ConfigError, CurateError
from matcurate.imaging.dataset import Dataset, LabelledMicrograph, Sample, open_dataset
from matcurate.imaging.ignored import frame_within, ignored_of, looked_at
from matcurate.promptable.protocol import Backbone
from matcurate.segmentation.baselines import BASELINES
from matcurate.segmentation.build import PRESETS, build_segmenter
from matcurate.segmentation.matsam.grain_masks import filled_grains
from matcurate.segmentation.matsam.pipeline import MatSam, MatSamPreset
from matcurate.segmentation.metrics import evaluate
from matcurate.segmentation.objects.instances import pieces
from matcurate.segmentation.polarity import foreground_side
from matcurate.segmentation.result import Segmentation
from matcurate.types import Pixels, Progress, silent

MATSAM = "matsam"
AMG = "amg"
METHODS = (MATSAM, AMG, *BASELINES)

Method = Callable[[Pixels, Polarity], Segmentation]


class Segmenter(Protocol):
    """A method with a backbone and a preset."""

    backbone: Backbone
    preset: MatSamPreset

    @property
    def version(self) -> str:
        """Of algorithm, backbone and settings."""
        ...

    def segment(self, pixels: Pixels, polarity: Polarity | None = None) -> Segmentation:
        """Segment one micrograph."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredMethod:
    """A method ready to be measured.

    Parameters
    ----------
    name : str
        One of ``METHODS``.
    run : callable
        Segments pixels (H, W) for a side.
    polarity : {"auto", "bright", "dark"}
        What the user knows.
    segmenter : Segmenter or None
        Of ``matsam`` and ``amg``: their backbone, preset and version.
    post_processing : bool or None
        As of :func:`bench_segment`.
    """

    name: str
    run: Method
    polarity: Polarity
    segmenter: Segmenter | None
    post_processing: bool | None


@dataclass(frozen=True, slots=True)
class ImageScore:
    """One image's scores (see :class:`matcurate.segmentation.metrics.Scores`), the side taken and the time.

    ``masks`` is how many separate masks were left after suppression; null for methods that make none.
    """

    name: str
    iou: float
    iou_foreground: float
    f1: float
    recall: float
    ari: float
    polarity: str
    seconds: float
    masks: int | None
    boundary_f1_2px: float | None
    boundary_recall_2px: float | None
    boundary_f1_3px: float | None
    boundary_recall_3px: float | None


@dataclass(frozen=True, slots=True)
class SegmentBenchmark:
    """Means over the images of a dataset; ``backbone`` and ``version`` are null for methods without one.

    The scores of boundaries are means over the images with labelled instances, null without any.
    ``post_processing`` is what was asked for, null for what the method does by itself.
    """

    dataset: str
    method: str
    backbone: str | None
    preset: str | None
    version: str | None
    post_processing: bool | None
    images: int
    iou: float
    iou_foreground: float
    f1: float
    recall: float
    ari: float
    boundary_f1_2px: float | None
    boundary_recall_2px: float | None
    boundary_f1_3px: float | None
    boundary_recall_3px: float | None
    seconds_per_image: float
    per_image: tuple[ImageScore, ...]
    problems: tuple[str, ...]


def bench_segment(
    folder: Path,
    method: str = MATSAM,
    *,
    settings: Settings,
    preset: str | None = None,
    backbone: str | None = None,
    polarity: Polarity | None = None,
    random_weights: bool = False,
    open_filters: bool = False,
    post_processing: bool | None = None,
    progress: Progress = silent,
) -> SegmentBenchmark:
    """Segment every image of a dataset folder and compare with its masks.

    Parameters
    ----------
    folder : Path
        Dataset folder.
    method : str
        One of ``METHODS``.
    settings : Settings
        Of the installation.
    preset, backbone : str, optional
        For ``matsam`` and ``amg``; those of the settings by default.
    polarity : {"auto", "bright", "dark"}, optional
        Which side is foreground; the preset's by default, ``auto`` for the classical methods. Never taken from a mask.
    random_weights : bool
        Draw the backbone's weights from a fixed seed: for timing.
    open_filters : bool
        Keep masks of any quality: ``matsam`` and ``amg`` then carry every mask of their prompts.
    post_processing : bool, optional
        False: masks of any contrast, nothing parted at necks, gaps between masks of grains left. True, for a classical
        method: fill the gaps between its objects, as between grains. By default ``matsam`` and ``amg`` do as their
        preset says, and classical methods fill no gaps.
    progress : Progress
        Told the number of images done.

    Returns
    -------
    SegmentBenchmark
        ``problems`` has a line for every image that could not be measured.

    Raises
    ------
    DatasetError
        When the folder is not a dataset, or none of its images can be measured.
    ConfigError
        For an unknown method, preset or backbone, ``amg`` with a backbone not of SAM's architecture, or a classical
        method whose gaps are to be filled with a preset that looks for phases.
    """
    dataset = open_dataset(folder)
    ready = build_method(
        method,
        settings=settings,
        preset=preset,
        backbone=backbone,
        polarity=polarity,
        random_weights=random_weights,
        open_filters=open_filters,
        post_processing=post_processing,
    )
    return score_dataset(dataset, ready, max_megapixels=settings.max_megapixels, progress=progress)


def build_method(
    method: str = MATSAM,
    *,
    settings: Settings,
    preset: str | None = None,
    backbone: str | None = None,
    polarity: Polarity | None = None,
    random_weights: bool = False,
    open_filters: bool = False,
    post_processing: bool | None = None,
) -> MeasuredMethod:
    """Build a method once, to be measured on several datasets; parameters and errors as of :func:`bench_segment`."""
    if method in (MATSAM, AMG):
        built = build_segmenter(settings, preset, backbone, random_weights=random_weights)
        segmenter = _segmenter(method, built, open_filters, post_processing)
        asked = polarity or segmenter.preset.polarity
        return MeasuredMethod(method, segmenter.segment, asked, segmenter, post_processing)
    run = _baseline(method)
    if post_processing:
        run = _with_filled_gaps(run, load_preset(preset or settings.preset, MatSamPreset, PRESETS))
    return MeasuredMethod(method, run, polarity or "auto", None, post_processing)


def score_dataset(
    dataset: Dataset,
    method: MeasuredMethod,
    *,
    change: Callable[[Sample, LabelledMicrograph], LabelledMicrograph] = lambda sample, labelled: labelled,
    max_megapixels: float,
    progress: Progress = silent,
) -> SegmentBenchmark:
    """Segment every image of a dataset and compare with its masks.

    Parameters
    ----------
    dataset : Dataset
        At least one of its images must be readable.
    method : MeasuredMethod
        Method.
    change : callable
        Alters an image and its masks before they are measured.
    max_megapixels : float
        Larger images count as not readable.
    progress : Progress
        Told the number of images done.

    Raises
    ------
    DatasetError
        When none of the images can be measured.
    """
    scores, problems = measure_images(
        dataset,
        lambda sample, labelled: _measure(sample, change(sample, labelled), method),
        max_megapixels=max_megapixels,
        progress=progress,
    )
    return _report(dataset, method, scores, problems)


def _report(
    dataset: Dataset, method: MeasuredMethod, scores: tuple[ImageScore, ...], problems: tuple[str, ...]
) -> SegmentBenchmark:
    segmenter = method.segmenter
    return SegmentBenchmark(
        dataset=str(dataset.folder),
        method=method.name,
        backbone=segmenter.backbone.name if segmenter else None,
        preset=segmenter.preset.name if segmenter else None,
        version=segmenter.version if segmenter else None,
        post_processing=method.post_processing,
        images=len(scores),
        iou=mean_of(scores, "iou"),
        iou_foreground=mean_of(scores, "iou_foreground"),
        f1=mean_of(scores, "f1"),
        recall=mean_of(scores, "recall"),
        ari=mean_of(scores, "ari"),
        boundary_f1_2px=mean_of_known(scores, "boundary_f1_2px"),
        boundary_recall_2px=mean_of_known(scores, "boundary_recall_2px"),
        boundary_f1_3px=mean_of_known(scores, "boundary_f1_3px"),
        boundary_recall_3px=mean_of_known(scores, "boundary_recall_3px"),
        seconds_per_image=mean_of(scores, "seconds"),
        per_image=scores,
        problems=problems,
    )


def _segmenter(method: str, built: MatSam, open_filters: bool, post_processing: bool | None) -> Segmenter:
    """The method on the backbone and the preset of a MatSAM."""
    preset = built.preset.without_filters() if open_filters else built.preset
    if post_processing is False:
        preset = preset.without_post_processing()
    if method == MATSAM:
        return MatSam(built.backbone, preset)
    from matcurate.segmentation.amg import Amg, AmgSettings  # torch takes seconds to import, which others need not pay

    return Amg(built.backbone, preset, AmgSettings().without_filters() if open_filters else AmgSettings())


def _baseline(method: str) -> Method:
    if method not in BASELINES:
        raise CurateError(f"no segmentation method {method!r}; use one of: {', '.join(METHODS)}")
    return BASELINES[method]


def _with_filled_gaps(run: Method, preset: MatSamPreset) -> Method:
    """A classical method whose objects, as grains of the preset, fill the image."""
    if preset.output != "instances":
        raise ConfigError(
            f"post-processing of a classical method fills the gaps between grains, but preset {preset.name!r} looks "
            "for phases; use a preset of grains (--preset grains)"
        )

    def filled(pixels: Pixels, polarity: Polarity) -> Segmentation:
        found = run(pixels, polarity)
        grains = filled_grains(pieces(found.instances, preset.smallest), preset.smallest)
        return replace(found, phases=np.ones(grains.shape, dtype=np.uint8), instances=grains)

    return filled


def _measure(sample: Sample, labelled: LabelledMicrograph, method: MeasuredMethod) -> ImageScore:
    ignored = ignored_of(labelled.micrograph)
    pixels, inside = looked_at(labelled.micrograph.pixels, ignored), frame_within(ignored, labelled.phases.shape).inside
    instances = None if labelled.instances is None else labelled.instances[inside]
    start = time.perf_counter()
    found = method.run(pixels, method.polarity)
    seconds = time.perf_counter() - start
    scores = evaluate(found, labelled.phases[inside], instances)
    return ImageScore(
        name=sample.name,
        iou=scores.iou,
        iou_foreground=scores.iou_foreground,
        f1=scores.f1,
        recall=scores.recall,
        ari=scores.ari,
        polarity=foreground_side(pixels, found.phases > 0),
        seconds=seconds,
        masks=found.masks,
        boundary_f1_2px=scores.boundary_f1_2px,
        boundary_recall_2px=scores.boundary_recall_2px,
        boundary_f1_3px=scores.boundary_f1_3px,
        boundary_recall_3px=scores.boundary_recall_3px,
    )

"""Measure a segmentation method on a dataset folder; what the tables in docs/benchmarks.md are made with."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from matcurate.config import Polarity, Settings
from matcurate.errors import CurateError
from matcurate.imaging.dataset import Dataset, LabelledMicrograph, Sample, open_dataset
from matcurate.promptable.protocol import Backbone
from matcurate.segmentation.baselines import BASELINES
from matcurate.segmentation.matsam.pipeline import MatSam, MatSamPreset
from matcurate.segmentation.metrics import evaluate
from matcurate.segmentation.polarity import decide_side
from matcurate.segmentation.result import Segmentation
from matcurate.types import Pixels, Progress, silent
from matcurate.workflows.bench_images import mean_of, measure_images
from matcurate.workflows.segmenter import build_segmenter

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


@dataclass(frozen=True, slots=True)
class SegmentBenchmark:
    """Means over the images of a dataset; ``backbone`` and ``version`` are null for methods without one."""

    dataset: str
    method: str
    backbone: str | None
    preset: str | None
    version: str | None
    images: int
    iou: float
    iou_foreground: float
    f1: float
    recall: float
    ari: float
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
        For an unknown method, preset or backbone, or ``amg`` with a backbone not of SAM's architecture.
    """
    dataset = open_dataset(folder)
    segmenter: Segmenter | None = None
    if method in (MATSAM, AMG):
        built = build_segmenter(settings, preset, backbone, random_weights=random_weights)
        segmenter = _segmenter(method, built, open_filters)
        run: Method = segmenter.segment
        side = polarity or segmenter.preset.polarity
    else:
        run = _baseline(method)
        side = polarity or "auto"
    scores, problems = measure_images(
        dataset,
        lambda sample, labelled: _measure(sample, labelled, run, side),
        max_megapixels=settings.max_megapixels,
        progress=progress,
    )
    return _report(dataset, method, segmenter, scores, problems)


def _report(
    dataset: Dataset,
    method: str,
    segmenter: Segmenter | None,
    scores: tuple[ImageScore, ...],
    problems: tuple[str, ...],
) -> SegmentBenchmark:
    return SegmentBenchmark(
        dataset=str(dataset.folder),
        method=method,
        backbone=segmenter.backbone.name if segmenter else None,
        preset=segmenter.preset.name if segmenter else None,
        version=segmenter.version if segmenter else None,
        images=len(scores),
        iou=mean_of(scores, "iou"),
        iou_foreground=mean_of(scores, "iou_foreground"),
        f1=mean_of(scores, "f1"),
        recall=mean_of(scores, "recall"),
        ari=mean_of(scores, "ari"),
        seconds_per_image=mean_of(scores, "seconds"),
        per_image=scores,
        problems=problems,
    )


def _segmenter(method: str, built: MatSam, open_filters: bool) -> Segmenter:
    """The method on the backbone and the preset of a MatSAM."""
    preset = built.preset.opened() if open_filters else built.preset
    if method == MATSAM:
        return MatSam(built.backbone, preset)
    from matcurate.segmentation.amg import Amg, AmgSettings  # torch takes seconds to import, which others need not pay

    return Amg(built.backbone, preset, AmgSettings().opened() if open_filters else AmgSettings())


def _baseline(method: str) -> Method:
    if method not in BASELINES:
        raise CurateError(f"no segmentation method {method!r}; use one of: {', '.join(METHODS)}")
    return BASELINES[method]


def _measure(sample: Sample, labelled: LabelledMicrograph, run: Method, polarity: Polarity) -> ImageScore:
    pixels = labelled.micrograph.pixels
    start = time.perf_counter()
    side = decide_side(pixels, polarity)
    found = run(pixels, side)
    seconds = time.perf_counter() - start
    scores = evaluate(found, labelled.phases, labelled.instances)
    return ImageScore(
        name=sample.name,
        iou=scores.iou,
        iou_foreground=scores.iou_foreground,
        f1=scores.f1,
        recall=scores.recall,
        ari=scores.ari,
        polarity=side,
        seconds=seconds,
        masks=found.masks,
    )

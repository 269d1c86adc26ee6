"""Measure a segmentation method on a dataset folder; what the tables in docs/benchmarks.md are made with."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Protocol, TypedDict, Unpack

import numpy as np

from matcurate.bench.folders import mean_of, means_of, measure_images
from matcurate.config import Polarity, Settings, load_preset
from matcurate.errors import ConfigError, CurateError
from matcurate.imaging import Dataset, LabelledMicrograph, Sample, frame_within, ignored_of, looked_at, open_dataset
from matcurate.promptable.protocol import Backbone
from matcurate.segmentation.baselines import BASELINES
from matcurate.segmentation.build import PRESETS, build_segmenter
from matcurate.segmentation.matsam.grain_masks import filled_grains
from matcurate.segmentation.matsam.pipeline import MatSam, MatSamPreset
from matcurate.segmentation.metrics import Scores, evaluate
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
    """A method of ``METHODS`` ready to be measured: ``run`` segments pixels (H, W) for a side.

    ``segmenter`` has backbone, preset and version of ``matsam`` and ``amg``; ``post_processing`` as of
    :func:`bench_segment`.
    """

    name: str
    run: Method
    polarity: Polarity
    segmenter: Segmenter | None
    post_processing: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageScore(Scores):
    """One image's scores (see :class:`matcurate.segmentation.metrics.Scores`), the side taken and the time.

    ``masks`` is how many separate masks were left after suppression; null for methods that make none.
    """

    name: str
    polarity: str
    seconds: float
    masks: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentBenchmark(Scores):
    """Means over the images of a dataset; ``backbone`` and ``version`` are null for methods without one.

    The scores of boundaries are means over the images with labelled instances, null without any.
    ``post_processing`` is what was chosen, null for what the method does by itself.
    """

    dataset: str
    method: str
    backbone: str | None
    preset: str | None
    version: str | None
    post_processing: bool | None
    images: int
    seconds_per_image: float
    per_image: tuple[ImageScore, ...]
    problems: tuple[str, ...]


class MethodOptions(TypedDict, total=False):
    """How a method is built.

    ``preset`` and ``backbone`` are for ``matsam`` and ``amg``, those of the settings by default. ``polarity`` is the
    side of the foreground: the preset's by default, ``auto`` for the classical methods, never taken from a mask.
    ``random_weights`` draws the backbone's weights from a fixed seed, for timing. ``open_filters`` keeps masks of any
    quality: ``matsam`` and ``amg`` then carry every mask of their prompts. ``post_processing`` False: masks of any
    contrast, nothing parted at necks, gaps between masks of grains left; True, for a classical method: the gaps between
    its objects are filled, as between grains; by default ``matsam`` and ``amg`` do as their preset says, and classical
    methods fill no gaps.
    """

    preset: str | None
    backbone: str | None
    polarity: Polarity | None
    random_weights: bool
    open_filters: bool
    post_processing: bool | None


def bench_segment(
    folder: Path,
    method: str = MATSAM,
    *,
    settings: Settings,
    progress: Progress = silent,
    **options: Unpack[MethodOptions],
) -> SegmentBenchmark:
    """Segment every image of a dataset folder and compare with its masks.

    Raises DatasetError when the folder is not a dataset, or none of its images can be measured; ConfigError as
    :func:`build_method`.
    """
    ready = build_method(method, settings=settings, **options)
    return score_dataset(open_dataset(folder), ready, max_megapixels=settings.max_megapixels, progress=progress)


def build_method(method: str = MATSAM, *, settings: Settings, **options: Unpack[MethodOptions]) -> MeasuredMethod:
    """Build a method once, to be measured on several datasets.

    Raises ConfigError for an unknown method, preset or backbone, ``amg`` with a backbone not of SAM's architecture, or
    a classical method whose gaps are to be filled with a preset that looks for phases.
    """
    preset, polarity = options.get("preset"), options.get("polarity")
    post_processing = options.get("post_processing")
    if method in (MATSAM, AMG):
        weights = options.get("random_weights", False)
        built = build_segmenter(settings, preset, options.get("backbone"), random_weights=weights)
        segmenter = _segmenter(method, built, options.get("open_filters", False), post_processing)
        side = polarity or segmenter.preset.polarity
        return MeasuredMethod(method, segmenter.segment, side, segmenter, post_processing)
    if method not in BASELINES:
        raise CurateError(f"no segmentation method {method!r}; use one of: {', '.join(METHODS)}")
    run = BASELINES[method]
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
    """Segment every image of a dataset, altered by ``change`` with its masks, and compare with these.

    Images over ``max_megapixels`` count as not readable. Raises DatasetError when no image can be measured.
    """
    scores, problems = measure_images(
        dataset,
        lambda sample, labelled: _measure(sample, change(sample, labelled), method),
        max_megapixels=max_megapixels,
        progress=progress,
    )
    segmenter = method.segmenter
    return SegmentBenchmark(
        dataset=str(dataset.folder),
        method=method.name,
        backbone=segmenter.backbone.name if segmenter else None,
        preset=segmenter.preset.name if segmenter else None,
        version=segmenter.version if segmenter else None,
        post_processing=method.post_processing,
        images=len(scores),
        **means_of(scores, [field.name for field in fields(Scores)]),
        seconds_per_image=mean_of(scores, "seconds") or 0.0,
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


def _with_filled_gaps(run: Method, preset: MatSamPreset) -> Method:
    """A classical method whose objects, as grains of the preset, fill the image."""
    if preset.output != "instances":
        raise ConfigError(
            f"post-processing of a classical method fills the gaps between grains, but preset {preset.name!r} looks "
            "for phases; use a preset of grains (--preset grains)"
        )

    def filled(pixels: Pixels, polarity: Polarity) -> Segmentation:
        segmentation = run(pixels, polarity)
        grains = filled_grains(pieces(segmentation.instances, preset.smallest), preset.smallest)
        return replace(segmentation, phases=np.ones(grains.shape, dtype=np.uint8), instances=grains)

    return filled


def _measure(sample: Sample, labelled: LabelledMicrograph, method: MeasuredMethod) -> ImageScore:
    ignored = ignored_of(labelled.micrograph)
    pixels, inside = looked_at(labelled.micrograph.pixels, ignored), frame_within(ignored, labelled.phases.shape).inside
    instances = None if labelled.instances is None else labelled.instances[inside]
    start = time.perf_counter()
    segmentation = method.run(pixels, method.polarity)
    seconds = time.perf_counter() - start
    return ImageScore(
        name=sample.name,
        polarity=foreground_side(pixels, segmentation.phases > 0),
        seconds=seconds,
        masks=segmentation.masks,
        **asdict(evaluate(segmentation, labelled.phases[inside], instances)),
    )

"""Measure the semantic booster on a dataset folder: MatSAM's raw masks, and what the booster makes of them."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from matcurate.bench.folders import mean_of, means_of, measure_images
from matcurate.config import Settings
from matcurate.errors import DatasetError
from matcurate.imaging.dataset import LabelledMicrograph, Sample, open_dataset
from matcurate.segmentation.boost.booster import MOST_MATERIALS
from matcurate.segmentation.boost.build import LAYERS, PHASES, build_booster
from matcurate.segmentation.boost.scores import band_width, boundary_band, score_masks
from matcurate.segmentation.build import build_segmenter
from matcurate.types import BoolMask, Candidate, Progress, silent

Materials: TypeAlias = int | Literal["auto", "known"]
"""K; ``auto`` estimates it for every image; ``known`` takes it from the image's mask: the paper knows it a priori."""


@dataclass(frozen=True, slots=True)
class BoostScores:
    """SAM-I-Am's metrics under the paper's names (see :class:`matcurate.segmentation.boost.scores.MaskScores`)."""

    mIoU: float
    mRecall: float
    mPrecision: float
    mFPR: float
    matched_IoU: float
    boundary_mIoU: float
    boundary_mRecall: float
    boundary_mPrecision: float
    boundary_mFPR: float

    def minus(self, other: "BoostScores") -> "BoostScores":
        """Every score less that of another."""
        return BoostScores(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True, slots=True)
class BoostedImage:
    """One image: how many masks there were, how many each rule removed, and the scores; ``seconds`` of the booster."""

    name: str
    masks: int
    removed: dict[str, int]
    labels: int
    materials: int
    before: BoostScores
    after: BoostScores
    seconds: float


@dataclass(frozen=True, slots=True)
class BoostBenchmark:
    """Means over the images of a dataset, before and after the booster; ``gain`` is after less before."""

    dataset: str
    backbone: str
    preset: str
    masks: str
    materials: Materials
    images: int
    before: BoostScores
    after: BoostScores
    gain: BoostScores
    seconds_per_image: float
    per_image: tuple[BoostedImage, ...]
    problems: tuple[str, ...]


def bench_boost(
    folder: Path,
    materials: Materials = "auto",
    *,
    settings: Settings,
    backbone: str | None = None,
    preset: str = LAYERS,
    masks: str | None = None,
    background: bool | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> BoostBenchmark:
    """Boost MatSAM's raw masks of every image, and compare both with the image's labelled classes.

    ``preset`` is the booster's: a file of ``configs/boost``, or the path of one; ``masks`` is MatSAM's, ``layers``
    where the booster's is ``layers``, else ``phases``. ``background`` says whether class 0 is a material like the
    others: by default it is, unless ``materials`` is a number and there are that many other classes (in
    ``dataset.yaml``, or without it in the image's mask). Every image starts from ``seed``. Raises DatasetError when the
    folder is not a dataset, or none of its images can be measured; ConfigError for an unknown backbone or preset.
    """
    dataset = open_dataset(folder)
    booster = build_booster(preset)
    segmenter = build_segmenter(settings, masks or (LAYERS if preset == LAYERS else PHASES), backbone)

    def measure(sample: Sample, labelled: LabelledMicrograph) -> BoostedImage:
        labels, pixels = _labels(sample, labelled, materials, background), labelled.micrograph.pixels
        raw = segmenter.propose(pixels)
        count = len(labels) if materials == "known" else None if materials == "auto" else materials
        start = time.perf_counter()
        boosted = booster.boost(pixels, raw, count, rng=np.random.default_rng(seed))
        seconds = time.perf_counter() - start
        return BoostedImage(
            name=sample.name,
            masks=len(raw),
            removed=dict(Counter(removal.rule for removal in boosted.removed)),
            labels=len(labels),
            materials=boosted.materials,
            before=score_boost(raw, labels),
            after=score_boost([Candidate(0, 0, mask, 1.0) for mask in boosted.masks], labels),
            seconds=seconds,
        )

    scores, problems = measure_images(dataset, measure, max_megapixels=settings.max_megapixels, progress=progress)
    before, after = _mean([score.before for score in scores]), _mean([score.after for score in scores])
    return BoostBenchmark(
        dataset=str(dataset.folder),
        backbone=segmenter.backbone.name,
        preset=booster.settings.name,
        masks=segmenter.preset.name,
        materials=materials,
        images=len(scores),
        before=before,
        after=after,
        gain=after.minus(before),
        seconds_per_image=mean_of(scores, "seconds") or 0.0,
        per_image=scores,
        problems=problems,
    )


def parse_materials(text: str) -> Materials:
    """K of ``auto``, ``known`` or a number in [1, 255]; ValueError for anything else."""
    if text in ("auto", "known"):
        return "auto" if text == "auto" else "known"
    if not text.isdecimal() or not 1 <= int(text) <= MOST_MATERIALS:
        raise ValueError(f"{text!r} is no number of materials; use 1 to {MOST_MATERIALS}, auto or known")
    return int(text)


def score_boost(masks: Sequence[Candidate], labels: Sequence[BoolMask]) -> BoostScores:
    """All scores of masks against labels (H, W), of which there is at least one and none is empty."""
    height, wide = labels[0].shape
    width = band_width((height, wide))
    whole = score_masks(masks, labels)
    bands = [replace(mask, mask=boundary_band(mask.mask, width)) for mask in masks]
    band = score_masks(bands, [boundary_band(label, width) for label in labels])
    return BoostScores(
        *(whole.miou, whole.mrecall, whole.mprecision, whole.mfpr, whole.matched_iou),
        *(band.miou, band.mrecall, band.mprecision, band.mfpr),
    )


def _labels(
    sample: Sample, labelled: LabelledMicrograph, materials: Materials, background: bool | None
) -> list[BoolMask]:
    """Mask (H, W) of every labelled material of an image."""
    classes = np.unique(labelled.phases)
    if background is None:
        others = len(sample.info.classes) - 1 if sample.info.classes else np.count_nonzero(classes)
        background = isinstance(materials, str) or others < materials
    chosen = classes if background else classes[classes > 0]
    if not len(chosen):
        raise DatasetError(f"{sample.mask_path}: only class 0, which is no material here; label it, or leave it out")
    return [np.asarray(labelled.phases == number) for number in chosen]


def _mean(scores: Sequence[BoostScores]) -> BoostScores:
    return BoostScores(**means_of(scores, [f.name for f in fields(BoostScores)]))

"""Measure how much a segmentation method loses when the images of a dataset are changed as instruments change them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

from matcurate.bench.images import mean_of
from matcurate.bench.segment import MATSAM, MeasuredMethod, SegmentBenchmark, build_method, score_dataset
from matcurate.config import Polarity, Settings
from matcurate.imaging.changes import CHANGES, Change, apply_change, changes_named
from matcurate.imaging.dataset import Dataset, LabelledMicrograph, Sample, open_dataset
from matcurate.types import Progress, silent

CHANGE_NAMES = tuple(CHANGES)
OTHER_SIDE: dict[Polarity, Polarity] = {"auto": "auto", "bright": "dark", "dark": "bright"}


@dataclass(frozen=True, slots=True)
class RobustBenchmark(SegmentBenchmark):
    """Scores of the unchanged images, and the same for each change.

    ``mean_iou_changes`` and ``mean_ari_changes`` are means over the changes; ``worst_change`` has the lowest IoU of
    them, ``worst_iou_changes``.
    """

    changes: Mapping[str, SegmentBenchmark]
    mean_iou_changes: float
    mean_ari_changes: float
    worst_change: str
    worst_iou_changes: float


def bench_robust(
    folder: Path,
    method: str = MATSAM,
    *,
    settings: Settings,
    preset: str | None = None,
    backbone: str | None = None,
    polarity: Polarity | None = None,
    changes: Sequence[str] | None = None,
    limit: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> RobustBenchmark:
    """Segment every image of a dataset folder, unchanged and after each change, and compare with the masks.

    Options as for :func:`matcurate.bench.segment.bench_segment`. ``polarity`` is the foreground's side in the unchanged
    images; a negative has the other one. ``changes`` are names in :data:`matcurate.imaging.changes.CHANGES`, by default
    all; ``limit`` takes only the first images, by name; ``seed`` is that of the random changes. Raises ConfigError for
    an unknown change, method, preset or backbone; DatasetError when the folder is not a dataset, or none of its images
    can be measured.
    """
    wanted = changes_named(changes)
    dataset = open_dataset(folder).first(limit)
    ready = build_method(method, settings=settings, preset=preset, backbone=backbone, polarity=polarity)
    passes = (None, *wanted)
    reports = [
        score_change(
            dataset,
            ready,
            change,
            seed,
            max_megapixels=settings.max_megapixels,
            progress=_part_of(progress, number, len(passes), change),
        )
        for number, change in enumerate(passes)
    ]
    plain, *changed = reports
    return _summary(plain, {change.name: report for change, report in zip(wanted, changed, strict=True)})


def score_change(
    dataset: Dataset,
    method: MeasuredMethod,
    change: Change | None,
    seed: int = 0,
    *,
    max_megapixels: float,
    progress: Progress = silent,
) -> SegmentBenchmark:
    """Scores of a method on a dataset after one change; unchanged for None."""
    if change is None:
        return score_dataset(dataset, method, max_megapixels=max_megapixels, progress=progress)
    if change.inverts:
        method = replace(method, polarity=OTHER_SIDE[method.polarity])
    alter = partial(_changed, change, seed)
    return score_dataset(dataset, method, change=alter, max_megapixels=max_megapixels, progress=progress)


def _part_of(progress: Progress, number: int, parts: int, change: Change | None) -> Progress:
    """Progress of one pass over the dataset, as part of all passes."""

    def report(done: int, total: int, note: str = "") -> None:
        progress(number * total + done, parts * total, f"{change.name}: {note}" if change else note)

    return report


def _changed(change: Change, seed: int, sample: Sample, labelled: LabelledMicrograph) -> LabelledMicrograph:
    return apply_change(change, labelled, sample.name, seed)


def _summary(plain: SegmentBenchmark, changes: dict[str, SegmentBenchmark]) -> RobustBenchmark:
    """Unchanged images' report with those of at least one change."""
    worst = min(changes, key=lambda name: changes[name].iou)
    return RobustBenchmark(
        **{field.name: getattr(plain, field.name) for field in fields(plain)},
        changes=changes,
        mean_iou_changes=mean_of(tuple(changes.values()), "iou"),
        mean_ari_changes=mean_of(tuple(changes.values()), "ari"),
        worst_change=worst,
        worst_iou_changes=changes[worst].iou,
    )

"""Measure how much a segmentation method loses when the images of a dataset are changed as instruments change them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Unpack

from matcurate.bench.folders import mean_of
from matcurate.bench.segment import MATSAM, MeasuredMethod, MethodOptions, SegmentBenchmark, build_method, score_dataset
from matcurate.config import Polarity, Settings
from matcurate.imaging.changes import CHANGES, Change, apply_change, changes_named
from matcurate.imaging.dataset import Dataset, LabelledMicrograph, Sample, open_dataset
from matcurate.types import Progress, silent

CHANGE_NAMES = tuple(CHANGES)
OTHER_SIDE: dict[Polarity, Polarity] = {"auto": "auto", "bright": "dark", "dark": "bright"}


@dataclass(frozen=True, slots=True, kw_only=True)
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
    changes: Sequence[str] | None = None,
    limit: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
    **options: Unpack[MethodOptions],
) -> RobustBenchmark:
    """Segment every image of a dataset folder, unchanged and after each change, and compare with the masks.

    ``polarity`` is the foreground's side in the unchanged
    images; a negative has the other one. ``changes`` are names in :data:`matcurate.imaging.changes.CHANGES`, by default
    all; ``limit`` takes only the first images, by name; ``seed`` is that of the random changes. Raises ConfigError for
    an unknown change, method, preset or backbone; DatasetError when the folder is not a dataset, or none of its images
    can be measured.
    """
    chosen = changes_named(changes)
    dataset = open_dataset(folder).first(limit)
    ready, most = build_method(method, settings=settings, **options), settings.max_megapixels

    def report_of(number: int, change: Change | None) -> SegmentBenchmark:
        def report(done: int, total: int, note: str = "") -> None:
            note = f"{change.name}: {note}" if change else note
            progress(number * total + done, (len(chosen) + 1) * total, note)

        return score_change(dataset, ready, change, seed, max_megapixels=most, progress=report)

    plain = report_of(0, None)
    reports = {change.name: report_of(number, change) for number, change in enumerate(chosen, start=1)}
    worst = min(reports, key=lambda name: reports[name].iou)
    return RobustBenchmark(
        **{field.name: getattr(plain, field.name) for field in fields(plain)},
        changes=reports,
        mean_iou_changes=mean_of(tuple(reports.values()), "iou") or 0.0,
        mean_ari_changes=mean_of(tuple(reports.values()), "ari") or 0.0,
        worst_change=worst,
        worst_iou_changes=reports[worst].iou,
    )


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

    def alter(sample: Sample, labelled: LabelledMicrograph) -> LabelledMicrograph:
        return apply_change(change, labelled, sample.name, seed)

    return score_dataset(dataset, method, change=alter, max_megapixels=max_megapixels, progress=progress)

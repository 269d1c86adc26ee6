"""Measure what a backbone answers to an expert's clicks and boxes: simulated clicks on a dataset's objects.

The first click lies in the middle of an object, every next one in the middle of the largest error, as in the evaluation
of interactive segmentation (Sofiiuk et al. 2022, arXiv:2102.06583).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, find_objects
from skimage.measure import label

from matcurate.config import Settings
from matcurate.errors import DatasetError
from matcurate.imaging.changes import apply_change, change_named
from matcurate.imaging.dataset import LabelledMicrograph, open_dataset
from matcurate.imaging.ignored import ignored_of
from matcurate.promptable.clicks import ClickedImage, PlainBackbone, PlainPredictor
from matcurate.promptable.protocol import Backbone
from matcurate.promptable.registry import load_backbone
from matcurate.types import UNKNOWN, BoolMask, Progress, silent

REPORTED = (1, 2, 3, 5)
"""Numbers of clicks after which the IoU is reported."""
GOAL = 0.9
LEAST_AREA = 30
"""Smaller objects are not clicked, in pixels."""
OBJECTS = 20
"""Objects of one image that are clicked, drawn at random."""


@dataclass(frozen=True, slots=True)
class PromptBenchmark:
    """Means over the objects of a dataset.

    ``iou_after`` has the IoU after 1, 2, 3 … clicks, ``iou_box`` that of a box around the object. ``clicks_to_90`` is
    the mean number of clicks to an IoU of .9, objects that never reach it counted with one click more than were made.
    ``first_seconds`` includes the preparation of the image.
    """

    dataset: str
    backbone: str
    images: int
    objects: int
    iou_after: dict[str, float]
    iou_box: float
    clicks_to_90: float
    reached_90: float
    first_seconds: float
    next_seconds: float


@dataclass(slots=True)
class _Clicks:
    """The clicks made on one object so far, and the answer to them."""

    truth: BoolMask
    points: list[tuple[float, float]]
    labels: list[int]
    ious: list[float]

    def ask(self, image: ClickedImage) -> BoolMask:
        mask = image.clicked(np.array(self.points, dtype=np.float64), np.array(self.labels))
        self.ious.append(iou_of(mask, self.truth))
        return mask

    def click(self, area: BoolMask, positive: bool) -> None:
        self.points.append(middle_of(area))
        self.labels.append(int(positive))

    def correct(self, mask: BoolMask) -> None:
        """Click into the middle of the largest error."""
        missing, surplus = largest_part(self.truth & ~mask), largest_part(mask & ~self.truth)
        positive = bool(missing.sum() >= surplus.sum())
        self.click(missing if positive else surplus, positive)


def bench_prompts(
    folder: Path,
    settings: Settings,
    *,
    backbone: str | None = None,
    clicks: int = 5,
    limit: int | None = None,
    change: str | None = None,
    seed: int = 0,
    random_weights: bool = False,
    progress: Progress = silent,
) -> PromptBenchmark:
    """Click on up to 20 objects of each image of a dataset folder, and measure what the backbone answers.

    Objects are those of ``instances/``, else the connected regions of each phase. ``backbone`` ``otsu`` is the plain
    rule alone; ``change`` names one of :data:`matcurate.imaging.changes.CHANGES`, made to every image before it is
    clicked. Raises DatasetError when the folder holds no object of 30 pixels, ConfigError for an unknown name.
    """
    model = _backbone(backbone or settings.backbone, settings, random_weights)
    changed = None if change is None else change_named(change)
    samples = open_dataset(folder).first(limit).samples
    rng = np.random.default_rng(seed)
    curves: list[list[float]] = []
    boxes: list[float] = []
    first: list[float] = []
    following: list[float] = []
    for index, sample in enumerate(samples):
        progress(index, len(samples), sample.name)
        labelled = sample.load(max_megapixels=settings.max_megapixels)
        if changed is not None:
            labelled = apply_change(changed, labelled, sample.name, seed)
        truths = objects_of(labelled, rng)
        if not truths:
            continue
        curve, box, seconds, more = _measure(model, labelled.micrograph.pixels, truths, clicks)
        curves += curve
        boxes += box
        first.append(seconds)
        following += more
    progress(len(samples), len(samples))
    if not curves:
        raise DatasetError(f"{folder}: no object of {LEAST_AREA} pixels or more in its masks; give other masks")
    after = np.array(curves)
    reached = after >= GOAL
    needed = np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, clicks + 1)
    return PromptBenchmark(
        dataset=str(folder),
        backbone=model.name,
        images=len(first),
        objects=len(curves),
        iou_after={str(n): float(after[:, n - 1].mean()) for n in REPORTED if n <= clicks},
        iou_box=float(np.mean(boxes)),
        clicks_to_90=float(needed.mean()),
        reached_90=float(reached.any(axis=1).mean()),
        first_seconds=float(np.median(first)),
        next_seconds=float(np.median(following)),
    )


def _backbone(name: str, settings: Settings, random_weights: bool) -> Backbone:
    if name == PlainBackbone.name:
        return PlainBackbone()
    return load_backbone(name, settings.resolved_cache_dir, cache_gib=settings.cache_gib, random_weights=random_weights)


def _measure(
    model: Backbone, pixels: NDArray[np.generic], truths: Sequence[BoolMask], clicks: int
) -> tuple[list[list[float]], list[float], float, list[float]]:
    """IoU curves, IoU of boxes, seconds of the first click with preparation, and of each next click."""
    start = time.perf_counter()
    image = ClickedImage(model.open(pixels), PlainPredictor(pixels))
    curves, boxes, following = [], [], []
    first = 0.0
    for number, truth in enumerate(truths):
        session = _Clicks(truth, [], [], [])
        session.click(truth, True)
        for count in range(clicks):
            began = time.perf_counter() if count or number else start
            mask = session.ask(image)
            spent = time.perf_counter() - began
            if count or number:
                following.append(spent)
            else:
                first = spent
            if session.ious[-1] == 1:
                break
            session.correct(mask)
        curves.append(session.ious + [session.ious[-1]] * (clicks - len(session.ious)))
        rows, columns = find_objects(truth.astype(np.uint8))[0]
        box = np.array([columns.start, rows.start, columns.stop, rows.stop], dtype=np.float64)
        boxes.append(iou_of(image.boxed(box), truth))
    return curves, boxes, first, following


def objects_of(labelled: LabelledMicrograph, rng: np.random.Generator) -> list[BoolMask]:
    """Up to :data:`OBJECTS` masks (H, W) of objects, away from data bars."""
    phases = np.where(labelled.phases == UNKNOWN, 0, labelled.phases)
    ids = label(phases, background=0, connectivity=1) if labelled.instances is None else labelled.instances
    ids = np.asarray(ids).astype(np.int64)
    ignored = ignored_of(labelled.micrograph)
    if ignored is not None:
        ids = np.where(ignored, 0, ids)
    areas = np.bincount(ids.ravel())
    numbers = np.flatnonzero(areas >= LEAST_AREA)
    numbers = numbers[numbers > 0]
    chosen = rng.permutation(numbers)[:OBJECTS]
    return [ids == number for number in np.sort(chosen)]


def middle_of(mask: BoolMask) -> tuple[float, float]:
    """(x, y) of the pixel of a mask (H, W) that lies farthest from its border."""
    depth = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), mask.shape)
    return float(column), float(row)


def largest_part(mask: BoolMask) -> BoolMask:
    """Largest connected part of a mask (H, W); empty where the mask is."""
    parts = label(mask, connectivity=1)
    areas = np.bincount(parts.ravel())
    areas[0] = 0
    return np.asarray(parts == areas.argmax()) & mask


def iou_of(mask: BoolMask, truth: BoolMask) -> float:
    """Intersection over union of two masks (H, W)."""
    union = int((mask | truth).sum())
    return float((mask & truth).sum() / union) if union else 1.0


def table_rows(report: PromptBenchmark) -> Iterator[tuple[str, str]]:
    """What the table shows."""
    for count, value in report.iou_after.items():
        yield f"IoU after {count} click{'s' * (count != '1')}", f"{value:.3f}"
    yield "IoU of a box", f"{report.iou_box:.3f}"
    yield f"clicks to IoU {GOAL}", f"{report.clicks_to_90:.2f} ({report.reached_90:.0%} reach it)"
    yield "seconds, first click", f"{report.first_seconds:.2f}"
    yield "seconds, next click", f"{report.next_seconds:.3f}"

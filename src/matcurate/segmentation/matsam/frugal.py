"""Masks for many prompts with little work: compared as drafts, made in full only when they survive.

Three things are saved on predictors that draft (official SAM). Prompts that lie in a good mask already are not decoded.
Masks are made at one logit in sixteen, and those that repeat a better one are removed at that size. Only the others are
made at the size of the image. The suppression of whole masks would remove the same ones; it still follows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcurate.promptable.drafts import DraftingPredictor, Drafts
from matcurate.segmentation.matsam.prompts import Points
from matcurate.types import BoolMask, Candidate, Progress, silent

FEW = 16
"""Masks of fewer samples than this are always made: they are too small to be compared as drafts."""
GOOD, STABLE = 0.88, 0.95
"""Quality and stability from which a mask explains the points in it; what SAM's own generator asks of every mask."""
LARGEST_EXPLANATION = 0.05
"""Share of the image above which a mask explains nothing: objects may lie in it."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Candidates in the order of the prompts, and the work they cost.

    ``decoded`` prompts were answered, ``explained`` ones were not, because a good mask held them. The decoder proposed
    ``drafted`` masks, of which ``made`` were made in full.
    """

    candidates: tuple[Candidate, ...]
    decoded: int
    explained: int
    drafted: int
    made: int


def decode_frugally(
    predictor: DraftingPredictor,
    points: Points,
    *,
    always: int = 0,
    overlap: float = 0.7,
    batch: int = 64,
    progress: Progress = silent,
) -> Decoded:
    """Candidates for points (N, 2), (x, y) in pixels, each a prompt of its own.

    The first ``always`` points are decoded even where a good mask holds them: key points, which may lie on an object
    inside another. ``overlap`` in (0, 1] is the intersection over union of two drafts above which the one of lower
    quality is removed. ``batch``, at least 1, bounds the memory at some 4 MiB a prompt. ``progress`` receives the
    number of prompts dealt with.
    """
    survivors = _Survivors(overlap)
    explained: BoolMask = np.zeros(predictor.shape, dtype=np.bool_)
    decoded = drafted = done = 0
    for part in _batches(len(points), always, batch):
        columns, rows = np.floor(points[part]).astype(int).T
        chosen = part[(part < always) | ~explained[rows, columns]]
        done += len(part)
        progress(done, len(points))
        if not len(chosen):
            continue
        answers = predictor.draft(points[chosen, None, :], np.ones((len(chosen), 1), dtype=np.int64))
        kept = survivors.admit(answers.drafts)
        for index, candidate in zip(kept.tolist(), answers.enlarge(kept), strict=True):
            survivors.made.append(candidate)
            if candidate is not None and _explains(answers.drafts, index, candidate, explained.size):
                top, left, bottom, right = candidate.box
                explained[top:bottom, left:right] |= candidate.mask
        decoded, drafted = decoded + len(chosen), drafted + len(answers.drafts.masks)
    return Decoded(survivors.candidates(), decoded, len(points) - decoded, drafted, len(survivors.made))


def _batches(count: int, always: int, batch: int) -> list[NDArray[np.int64]]:
    """Batches of all numbers below ``count``: the first ``always`` in order, then neighbours in different batches."""
    numbers = np.arange(count)
    first, rest = numbers[:always], numbers[always:]
    parts = [first[start : start + batch] for start in range(0, len(first), batch)]
    turns = -(-len(rest) // batch)
    return parts + [rest[turn::turns] for turn in range(turns)]


def _explains(drafts: Drafts, index: int, candidate: Candidate, pixels: int) -> bool:
    sure = candidate.quality >= GOOD and float(drafts.stability[index]) >= STABLE
    return sure and candidate.area <= LARGEST_EXPLANATION * pixels


class _Survivors:
    """Drafts that no better one repeats, of all batches so far, and their masks in full."""

    def __init__(self, overlap: float) -> None:
        self.made: list[Candidate | None] = []
        self._overlap = overlap
        self._samples: NDArray[np.float32] = np.empty((0, 0), dtype=np.float32)
        self._quality: NDArray[np.float64] = np.empty(0)
        self._beaten: BoolMask = np.empty(0, dtype=np.bool_)

    def candidates(self) -> tuple[Candidate, ...]:
        """Masks in full of those that still survive."""
        return tuple(c for c, beaten in zip(self.made, self._beaten, strict=True) if c is not None and not beaten)

    def admit(self, drafts: Drafts) -> NDArray[np.int64]:
        """Indices of the drafts to be made; those that they beat are removed."""
        samples = drafts.masks.reshape(len(drafts.masks), -1).astype(np.float32)
        large = np.count_nonzero(drafts.masks, axis=(1, 2)) >= FEW
        if not len(self._quality):
            self._samples = np.empty((0, samples.shape[1]), dtype=np.float32)
        before, within = _iou(samples, self._samples), _iou(samples, samples)
        comparable = large[:, None] & (self._samples.sum(axis=1) >= FEW) & ~self._beaten
        repeats = (before > self._overlap) & comparable
        kept: list[int] = []
        for index in np.argsort(-drafts.quality, kind="stable").tolist():
            better = repeats[index] & (self._quality >= drafts.quality[index])
            repeated = large[index] and any(large[other] and within[index, other] > self._overlap for other in kept)
            if not better.any() and not repeated:
                kept.append(index)
        chosen = np.array(sorted(kept), dtype=np.int64)
        self._beaten |= repeats[chosen].any(axis=0)
        self._samples = np.concatenate([self._samples, samples[chosen]])
        self._quality = np.concatenate([self._quality, drafts.quality[chosen]])
        self._beaten = np.concatenate([self._beaten, np.zeros(len(chosen), dtype=np.bool_)])
        return chosen


def _iou(ones: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union (K, L) of sampled masks (K, S) and (L, S), as one product; 0 where both are empty."""
    shared = ones @ others.T
    either = ones.sum(axis=1)[:, None] + others.sum(axis=1) - shared
    return np.asarray(shared / np.maximum(either, 1))

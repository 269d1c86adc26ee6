"""Which candidates stay: filtering by quality and size, and non-maximum suppression on boxed masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from matcurate.types import Candidate

Boxes = NDArray[np.int64]

STEPS = 20
"""Qualities are compared in twentieths: no prediction is surer, and the larger mask has lost less of its rim."""


def admissible(
    candidates: Sequence[Candidate], *, quality: float, smallest: int, largest: float
) -> tuple[Candidate, ...]:
    """Candidates of at least ``quality``, each region once, of ``smallest`` to ``largest`` pixels."""
    distinct = {(c.top, c.left, c.mask.shape, c.mask.tobytes()): c for c in sorted(candidates, key=_quality)}
    return tuple(c for c in distinct.values() if c.quality >= quality and smallest <= c.area <= largest)


def suppress(candidates: Sequence[Candidate], overlap: float) -> tuple[Candidate, ...]:
    """Greedy non-maximum suppression within one region of the image.

    Parameters
    ----------
    candidates : sequence of Candidate
        In any order.
    overlap : float
        Intersection over union in (0, 1] above which the candidate of lower quality goes.

    Returns
    -------
    tuple of Candidate
        Best quality first; of two whose qualities are the same within ``1 / STEPS`` the larger one first.
    """
    ranked = sorted(candidates, key=lambda c: (-round(c.quality * STEPS), -c.area, c.top, c.left))
    if not ranked:
        return ()
    boxes = np.array([c.box for c in ranked], dtype=np.int64)
    areas = np.array([c.area for c in ranked], dtype=np.int64)
    alive = np.ones(len(ranked), dtype=np.bool_)
    for index, best in enumerate(ranked):
        if not alive[index]:
            continue
        rivals = (
            index
            + 1
            + np.flatnonzero(
                alive[index + 1 :]
                & _may_overlap(boxes[index], areas[index], boxes[index + 1 :], areas[index + 1 :], overlap)
            )
        )
        for rival in rivals:
            shared = intersection(best, ranked[rival])
            alive[rival] = shared <= overlap * (areas[index] + areas[rival] - shared)
    return tuple(c for c, stays in zip(ranked, alive, strict=True) if stays)


def intersection(a: Candidate, b: Candidate) -> int:
    """Number of pixels that two candidates share, found inside the part that their boxes share."""
    (top_a, left_a, bottom_a, right_a), (top_b, left_b, bottom_b, right_b) = a.box, b.box
    top, left = max(top_a, top_b), max(left_a, left_b)
    bottom, right = min(bottom_a, bottom_b), min(right_a, right_b)
    if bottom <= top or right <= left:
        return 0
    part_a = a.mask[top - top_a : bottom - top_a, left - left_a : right - left_a]
    part_b = b.mask[top - top_b : bottom - top_b, left - left_b : right - left_b]
    return int(np.count_nonzero(part_a & part_b))


def _quality(candidate: Candidate) -> float:
    return candidate.quality


def _may_overlap(box: Boxes, area: np.int64, boxes: Boxes, areas: Boxes, overlap: float) -> NDArray[np.bool_]:
    """Whether areas and boxes alone allow an intersection over union above ``overlap``."""
    height = np.minimum(box[2], boxes[:, 2]) - np.maximum(box[0], boxes[:, 0])
    width = np.minimum(box[3], boxes[:, 3]) - np.maximum(box[1], boxes[:, 1])
    most = np.minimum(np.clip(height, 0, None) * np.clip(width, 0, None), np.minimum(area, areas))
    return np.asarray(most > overlap * (area + areas - most))

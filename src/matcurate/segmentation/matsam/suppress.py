"""Filtering of candidates by quality and size, and non-maximum suppression on the overlap of masks.

MatSAM (Li et al. 2024), sections 2.1 and 4.3: plain suppression of the masks of one region (crop), softer suppression
between regions, where two masks of a dense scene may overlap without being the same object.

References
----------
N. Bodla, B. Singh, R. Chellappa, L. S. Davis, "Soft-NMS: improving object detection with one line of code", ICCV 2017.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from matcurate.types import Candidate, intersection

Ints = NDArray[np.int64]

STEPS = 20
"""Qualities are compared in twentieths: predictions are no more exact, and the larger mask has lost less of its rim."""
ROWS_AT_ONCE = 256
"""Candidates whose boxes are compared with all others together."""


def admissible(
    candidates: Sequence[Candidate], *, quality: float, smallest: int, largest: float
) -> tuple[Candidate, ...]:
    """Candidates of at least ``quality``, each region once, of ``smallest`` to ``largest`` pixels."""
    distinct = {(c.top, c.left, c.mask.shape, c.mask.tobytes()): c for c in sorted(candidates, key=_quality)}
    return tuple(c for c in distinct.values() if c.quality >= quality and smallest <= c.area <= largest)


def suppress(candidates: Sequence[Candidate], overlap: float) -> tuple[Candidate, ...]:
    """Greedy non-maximum suppression within one region of the image; no candidate may be empty.

    Of two with an intersection over union above ``overlap`` in (0, 1] the one of lower quality is removed. Best quality
    first; of two whose qualities are the same within ``1 / STEPS`` the larger one first.
    """
    ranked = sorted(candidates, key=lambda c: (-round(c.quality * STEPS), -c.area, c.top, c.left))
    areas = [c.area for c in ranked]
    alive = [True] * len(ranked)
    for best, rivals in _neighbours(ranked, np.array(areas), overlap, later=True):
        for rival in rivals.tolist() if alive[best] else ():
            if alive[rival]:
                shared = intersection(ranked[best], ranked[rival])
                alive[rival] = shared <= overlap * (areas[best] + areas[rival] - shared)
    return tuple(c for c, stays in zip(ranked, alive, strict=True) if stays)


def soft_suppress(
    candidates: Sequence[Candidate], *, sigma: float = 0.5, floor: float = 0.05, regions: Sequence[int] | None = None
) -> tuple[Candidate, ...]:
    """Gaussian soft suppression (Bodla et al. 2017, eq. of section 3): s_i ← s_i exp(−IoU(M, b_i)² / σ).

    The best candidate M is taken, the qualities of the others fall by how much they overlap with it, and so on; a
    candidate whose quality falls below ``floor`` is removed. The paper's σ is 0.5. Candidates of one of the ``regions``
    (the crop that each comes from) do not weaken each other, since :func:`suppress` has compared them.

    Candidates come in the order in which they were taken, with the qualities they had then; of equal ones the first
    given. Raises ValueError when σ is not positive or there is not one region for each candidate.
    """
    if not sigma > 0:
        raise ValueError(f"sigma must be positive, got {sigma}")
    if regions is not None and len(regions) != len(candidates):
        raise ValueError(f"need one region for each of {len(candidates)} candidates, got {len(regions)}")
    areas = np.array([c.area for c in candidates], dtype=np.int64)
    origin = np.arange(len(candidates)) if regions is None else np.asarray(regions)
    neighbours = [rivals[origin[rivals] != origin[one]] for one, rivals in _neighbours(candidates, areas)]
    scores = np.array([c.quality for c in candidates], dtype=np.float64)
    waiting = scores >= floor
    taken: list[Candidate] = []
    while waiting.any():
        best = int(np.argmax(np.where(waiting, scores, -1.0)))
        waiting[best] = False
        taken.append(candidates[best].rated(float(scores[best])))
        rivals = neighbours[best][waiting[neighbours[best]]]
        shared = np.array([intersection(candidates[best], candidates[rival]) for rival in rivals.tolist()])
        scores[rivals] *= np.exp(-((shared / (areas[best] + areas[rivals] - shared)) ** 2) / sigma)
        waiting[rivals] = scores[rivals] >= floor
    return tuple(taken)


def _neighbours(
    candidates: Sequence[Candidate], areas: Ints, overlap: float = 0.0, *, later: bool = False
) -> Iterator[tuple[int, Ints]]:
    """Every position, in order, and those whose boxes and areas allow an intersection over union above ``overlap``.

    Decided for many pairs at a time, so that only few pairs of masks are compared. ``later`` leaves out those before
    the position.
    """
    boxes = np.array([c.box for c in candidates], dtype=np.int32).reshape(-1, 4).T  # half the traffic of int64
    for start in range(0, len(candidates), ROWS_AT_ONCE):
        first = start if later else 0
        top, left, bottom, right = boxes[:, start : start + ROWS_AT_ONCE, None]
        tops, lefts, bottoms, rights = boxes[:, first:]
        one, other = np.nonzero((top < bottoms) & (bottom > tops) & (left < rights) & (right > lefts))
        one, other = one + start, other + first
        height, width = (
            np.minimum(boxes[end, one], boxes[end, other]) - np.maximum(boxes[begin, one], boxes[begin, other])
            for begin, end in ((0, 2), (1, 3))
        )
        most = np.minimum(height.astype(np.int64) * width, np.minimum(areas[one], areas[other]))
        kept = (most > overlap * (areas[one] + areas[other] - most)) & ((one < other) if later else (one != other))
        counts = np.bincount(one[kept] - start, minlength=len(top))
        yield from enumerate(np.split(other[kept], np.cumsum(counts)[:-1]), start)


def _quality(candidate: Candidate) -> float:
    return candidate.quality

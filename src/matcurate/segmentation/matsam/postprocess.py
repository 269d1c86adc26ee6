"""From separate masks to one map of instances, and their common quality.

MatSAM (Li et al. 2024), section 2.1: "finally, all masks are combined".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from matcurate.types import Candidate

Ids = NDArray[np.uint32]


def paint(candidates: Sequence[Candidate], shape: tuple[int, int]) -> Ids:
    """Instance ids (H, W), 1 for the first candidate; where masks overlap the smaller one lies on top."""
    ids = np.zeros(shape, dtype=np.uint32)
    for number, candidate in sorted(enumerate(candidates, start=1), key=lambda pair: -pair[1].area):
        top, left, bottom, right = candidate.box
        ids[top:bottom, left:right][candidate.mask] = number
    return ids


def area_weighted_quality(candidates: Sequence[Candidate]) -> float:
    """Mean quality weighted by area, 0 without candidates."""
    areas = np.array([c.area for c in candidates], dtype=np.float64)
    qualities = np.array([c.quality for c in candidates], dtype=np.float64)
    return float(np.clip(np.average(qualities, weights=areas), 0, 1)) if areas.sum() > 0 else 0.0

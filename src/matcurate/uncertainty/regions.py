"""From a vacuity map to the uncertainty of phases and of a whole micrograph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter

from matcurate.types import BoolMask, FloatArray, LabelMap

MARGIN = 2
"""Pixels on either side of a boundary that are left out: there every model is unsure, and no expert can help."""
UNKNOWN = 0.5
"""Vacuity above which a pixel counts as not known: less evidence than K."""


@dataclass(frozen=True, slots=True)
class RegionScores:
    """Vacuity away from boundaries: its mean, the share of pixels above the threshold, the mean per phase.

    All lie in [0, 1]; ``per_phase`` is None for a predicted phase that has no such pixel.
    """

    mean: float
    unknown: float
    per_phase: tuple[float | None, ...]


def region_scores(
    vacuity: FloatArray,
    phases: LabelMap,
    count: int,
    *,
    margin: int = MARGIN,
    unknown: float = UNKNOWN,
    counts: BoolMask | None = None,
) -> RegionScores:
    """Scores of a vacuity map (H, W) in (0, 1] and predicted phase ids (H, W) below ``count``.

    Where nothing lies away from boundaries, as in very fine structures, all pixels count; never those that are False in
    ``counts`` (H, W), which is True somewhere. Raises ValueError when shapes differ, a vacuity is not finite, or an id
    is too large.
    """
    if vacuity.shape != phases.shape or vacuity.ndim != 2 or not vacuity.size:
        raise ValueError(f"vacuity {vacuity.shape} and phases {phases.shape} must be one (H, W)")
    if not np.isfinite(vacuity).all():
        raise ValueError("vacuity must be finite")
    if int(phases.max()) >= count:
        raise ValueError(f"phase id {int(phases.max())}, but there are {count} phases")
    inner = away_from_boundaries(phases, margin)
    if counts is not None:
        inner = inner & counts if (inner & counts).any() else counts
    kept: NDArray[np.float64] = vacuity[inner].astype(np.float64)
    ids = phases[inner]
    sizes = np.bincount(ids, minlength=count)
    sums = np.bincount(ids, weights=kept, minlength=count)
    return RegionScores(
        mean=float(kept.mean()),
        unknown=float((kept > unknown).mean()),
        per_phase=tuple(float(s / n) if n else None for s, n in zip(sums, sizes, strict=True)),
    )


def away_from_boundaries(phases: LabelMap, margin: int) -> BoolMask:
    """Pixels (H, W) with no other phase within ``margin`` rows and columns; all of them where there are none."""
    edge = 2 * margin + 1
    inner: BoolMask = maximum_filter(phases, edge, mode="nearest") == minimum_filter(phases, edge, mode="nearest")
    return inner if inner.any() else np.ones_like(inner)

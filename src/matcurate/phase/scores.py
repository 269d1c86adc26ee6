"""Agreement of predicted phases with the truth; arrays in, values out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from matcurate.phase.ratios import exact_ratio
from matcurate.types import UNKNOWN, BoolMask, LabelMap

TOLERANCE = 2.0
"""Largest distance in pixels between boundaries that agree."""


@dataclass(frozen=True, slots=True)
class PhaseScores:
    """One micrograph's scores, one number for each phase; None where neither truth nor prediction has the phase.

    ``dice``, ``iou`` and ``boundary_f1`` lie in [0, 1]; ``fraction_error`` is predicted less true area fraction.
    Boundary pixels agree when two pixels apart at most; without any boundary ``boundary_f1`` is None.
    """

    dice: tuple[float | None, ...]
    iou: tuple[float | None, ...]
    fraction_error: tuple[float, ...]
    boundary_f1: tuple[float | None, ...]


def score_phases(predicted: LabelMap, truth: LabelMap, phases: int) -> PhaseScores:
    """Compare phase ids (H, W) below ``phases``; where the truth is ``UNKNOWN``, the prediction counts for nothing.

    Raises ValueError when the shapes differ or an id is too large.
    """
    if predicted.shape != truth.shape:
        raise ValueError(f"predicted {predicted.shape} and true {truth.shape} phases must have one shape")
    predicted = np.where(truth == UNKNOWN, truth, predicted)
    error = exact_ratio(predicted, phases) - exact_ratio(truth, phases)
    shared, sizes = _shared(predicted, truth, phases)
    return PhaseScores(
        dice=phase_dice(predicted, truth, phases),
        iou=tuple(float(s / (t - s)) if t else None for s, t in zip(shared, sizes, strict=True)),
        fraction_error=tuple(float(value) for value in error),
        boundary_f1=tuple(_boundary_f1(predicted == phase, truth == phase) for phase in range(phases)),
    )


def phase_dice(predicted: LabelMap, truth: LabelMap, phases: int) -> tuple[float | None, ...]:
    """Dice of every phase of ids (H, W) below ``phases``, where the truth is known; None where neither has it."""
    shared, sizes = _shared(predicted, truth, phases)
    return tuple(float(2 * s / t) if t else None for s, t in zip(shared, sizes, strict=True))


def _shared(predicted: LabelMap, truth: LabelMap, phases: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixels of every phase that both have, and that they have in sum."""
    known = truth != UNKNOWN
    pairs = np.bincount(truth[known].astype(np.int64) * phases + predicted[known], minlength=phases * phases)
    table = pairs.reshape(phases, phases)
    return np.diag(table), table.sum(axis=0) + table.sum(axis=1)


def mean_of(values: tuple[float | None, ...]) -> float | None:
    """Mean of what is known; None of nothing."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _boundary_f1(predicted: BoolMask, truth: BoolMask) -> float | None:
    predicted_edge, true_edge = _boundary(predicted), _boundary(truth)
    if not predicted_edge.any() and not true_edge.any():
        return None
    if not predicted_edge.any() or not true_edge.any():
        return 0.0
    precision, recall = (
        float(_near(other)[own].mean()) for own, other in ((predicted_edge, true_edge), (true_edge, predicted_edge))
    )
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _near(mask: BoolMask) -> BoolMask:
    distance: NDArray[np.float64] = distance_transform_edt(~mask)
    return distance <= TOLERANCE


def _boundary(mask: BoolMask) -> BoolMask:
    """Pixels of a mask with a neighbour (of four) outside of it; the image's border is no boundary."""
    padded = np.pad(mask, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    edge: BoolMask = mask & ~inner
    return edge

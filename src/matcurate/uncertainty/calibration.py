"""Quality of an uncertainty: risk against coverage, calibration error, detection of errors.

References
----------
Y. Geifman, R. El-Yaniv, "Selective classification for deep neural networks", NeurIPS (2017): risk and coverage.
Y. Geifman, G. Uziel, R. El-Yaniv, "Bias-reduced uncertainty estimation for deep neural classifiers", ICLR (2019): the
area under that curve, and its excess over the best order.
C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On calibration of modern neural networks", ICML (2017): equation 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from matcurate.types import FloatArray

BINS = 15
Flags = NDArray[np.bool_]
Curve = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class RiskCoverage:
    """Share of errors ``risk`` (N,) among the most certain answers, for each share ``coverage`` (N,) of answers."""

    coverage: Curve
    risk: Curve

    @property
    def area(self) -> float:
        """Mean risk over all coverages; 0 is best."""
        return float(self.risk.mean())

    @property
    def excess(self) -> float:
        """Area above that of the same errors in the best order; 0 where every error is less certain than all else."""
        count = len(self.risk)
        errors = round(float(self.risk[-1]) * count)
        best = np.maximum(np.arange(1, count + 1) - (count - errors), 0) / np.arange(1, count + 1)
        return max(0.0, self.area - float(best.mean()))


@dataclass(frozen=True, slots=True)
class Reliability:
    """Quality of a model version's uncertainty; ``error_auroc`` is None where all or nothing is wrong."""

    samples: int
    accuracy: float
    risk_coverage_area: float
    risk_coverage_excess: float
    ece: float
    error_auroc: float | None


def risk_coverage(uncertainty: FloatArray, wrong: Flags) -> RiskCoverage:
    """Curve of N answers (N,) and of whether they were wrong (N,); equal uncertainties share their errors evenly.

    Raises ValueError when there is nothing, lengths differ, or an uncertainty is not finite.
    """
    _check(uncertainty, wrong)
    _, group, sizes = np.unique(uncertainty, return_inverse=True, return_counts=True)
    shared = np.bincount(group, weights=wrong) / sizes
    errors = np.repeat(shared, sizes)
    answered = np.arange(1, len(errors) + 1)
    return RiskCoverage(answered / len(errors), np.cumsum(errors) / answered)


def expected_calibration_error(confidence: FloatArray, correct: Flags, bins: int = BINS) -> float:
    """Mean distance in [0, 1] of confidence (N,) in [0, 1] and accuracy, over equal bins, weighted by their samples.

    Raises ValueError when there is nothing, lengths differ, or a confidence is not in [0, 1].
    """
    _check(confidence, correct)
    if confidence.min() < 0 or confidence.max() > 1:
        raise ValueError("confidences must lie in [0, 1]")
    at = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(at, weights=correct.astype(np.float64) - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def detection_auroc(uncertainty: FloatArray, positive: Flags) -> float | None:
    """Area under the ROC curve of finding the positive samples (errors, or novel ones) by their uncertainty (N,).

    Lies in [0, 1], .5 is chance; None where all samples or none are positive. Raises ValueError when there is nothing,
    lengths differ, or an uncertainty is not finite.
    """
    _check(uncertainty, positive)
    return float(roc_auc_score(positive, uncertainty)) if 0 < positive.sum() < len(positive) else None


def reliability(uncertainty: FloatArray, confidence: FloatArray, correct: Flags) -> Reliability:
    """All measures of N answers: uncertainty (N,), confidence of the answer (N,) in [0, 1], whether it was right (N,).

    Raises ValueError as the measures do.
    """
    curve = risk_coverage(uncertainty, ~correct)
    return Reliability(
        samples=len(correct),
        accuracy=float(correct.mean()),
        risk_coverage_area=curve.area,
        risk_coverage_excess=curve.excess,
        ece=expected_calibration_error(confidence, correct),
        error_auroc=detection_auroc(uncertainty, ~correct),
    )


def _check(values: FloatArray, flags: Flags) -> None:
    if values.ndim != 1 or values.shape != flags.shape or not len(values):
        raise ValueError(f"needs as many numbers as flags, and at least one; got {values.shape} and {flags.shape}")
    if flags.dtype != np.bool_:
        raise ValueError(f"flags must be bool, got {flags.dtype}")
    if not np.isfinite(values).all():
        raise ValueError("uncertainties and confidences must be finite")

"""Two models on the same micrographs: how sure it is that one is the better."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

RESAMPLES = 9999


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean over ``images`` micrographs of one model's score less the other's, and its interval, ``low`` ≤ ``high``."""

    mean: float
    low: float
    high: float
    images: int


def paired_difference(
    challenger: NDArray[np.float64],
    champion: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    confidence: float = 0.95,
) -> Difference:
    """Difference of two models' scores (N,) of the same micrographs, with its percentile bootstrap interval.

    Micrographs are drawn in pairs. For one micrograph, or equal differences, the interval is the difference itself.
    ``confidence`` lies in (0, 1). Raises ValueError when the scores do not pair up, are none, or are not finite.

    References
    ----------
    B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    if challenger.shape != champion.shape or challenger.ndim != 1 or not challenger.size:
        raise ValueError(f"scores must pair up, got shapes {challenger.shape} and {champion.shape}")
    differences = challenger - champion
    if not np.isfinite(differences).all():
        raise ValueError("scores must be finite")
    mean = float(differences.mean())
    if np.ptp(differences) == 0:
        return Difference(mean, mean, mean, len(differences))
    interval = bootstrap(
        (differences,), np.mean, n_resamples=RESAMPLES, confidence_level=confidence, method="percentile", rng=rng
    ).confidence_interval
    return Difference(mean, float(interval.low), float(interval.high), len(differences))

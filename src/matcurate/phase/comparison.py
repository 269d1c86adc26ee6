"""Two models on the same micrographs: how sure it is that one is the better."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

RESAMPLES = 9999


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean over micrographs of one model's score less the other's, and the interval it lies in.

    ``mean`` and ``low`` and ``high``: the mean, and the interval's ends; ``low`` ≤ ``high``.
    """

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
    """Difference of two models' scores with its percentile bootstrap interval; micrographs are drawn in pairs.

    Of one micrograph, and where all differences are the same, the interval is the difference itself.

    ``challenger`` and ``champion``: float arrays (N,), scores of the same micrographs in the same order, finite; N at
    least 1; ``confidence``: in (0, 1). Raises ValueError when the scores do not pair up, are none, or are not finite.

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
    found = bootstrap(
        (differences,), np.mean, n_resamples=RESAMPLES, confidence_level=confidence, method="percentile", rng=rng
    ).confidence_interval
    return Difference(mean, float(found.low), float(found.high), len(differences))

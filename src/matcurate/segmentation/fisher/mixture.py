"""The paper's clustering: a Bayesian Gaussian mixture, and its two rules for the number of regions.

K. Zhang et al. 2025, section 2.1, eqs. 3 to 5. scikit-learn's defaults are the paper's μ₀, β₀, W₀ and ν₀.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.mixture import BayesianGaussianMixture

from matcurate.types import FloatArray

CONCENTRATION = 1e-9
"""α₀ of the paper."""
CLUSTERS = 6
"""More than any micrograph is expected to show; weights of those too many become 0."""
SLOW = 0.1
LEAST_WEIGHT = 0.05
"""Posterior weight above which a cluster counts."""


@dataclass(frozen=True, slots=True)
class MixturePath:
    """Posterior weights of six clusters, largest first, and BIC and AIC for 1, 2, … clusters."""

    weights: tuple[float, ...]
    bic: tuple[float, ...]
    aic: tuple[float, ...]

    @property
    def by_weights(self) -> int:
        """Number of regions: clusters whose weight is above 0.05."""
        return max(1, sum(weight > LEAST_WEIGHT for weight in self.weights))

    @property
    def by_elbow(self) -> int:
        """Number of regions: the elbow of BIC, from which the next one more brings less than a tenth of the best."""
        falls = -np.diff(self.bic)
        slow = falls < SLOW * max(float(falls.max()), 0.0)
        return 1 + int(np.argmax(slow)) if slow.any() else len(self.bic)


def bayesian_mixture(points: FloatArray, clusters: int, seed: int) -> BayesianGaussianMixture:
    """Fit the paper's mixture to points (n, d)."""
    return BayesianGaussianMixture(
        n_components=clusters,
        weight_concentration_prior_type="dirichlet_distribution",
        weight_concentration_prior=CONCENTRATION,
        max_iter=300,
        tol=1e-2,
        random_state=seed,
    ).fit(points)


def mixture_path(points: FloatArray, largest: int, seed: int) -> MixturePath:
    """Posterior weights of six clusters, and BIC and AIC of 1 … ``largest``, for points (n, d).

    scikit-learn states neither criterion for this mixture: -2 Σ log p + penalty, with K(d + d(d + 1)/2) + K - 1
    parameters.
    """
    count, dimensions = points.shape
    bic, aic = [], []
    for clusters in range(1, largest + 1):
        likelihood = float(bayesian_mixture(points, clusters, seed).score_samples(points).sum())
        free = clusters * (dimensions + dimensions * (dimensions + 1) // 2) + clusters - 1
        bic.append(free * float(np.log(count)) - 2 * likelihood)
        aic.append(2 * free - 2 * likelihood)
    weights = np.sort(bayesian_mixture(points, CLUSTERS, seed).weights_)[::-1]
    return MixturePath(tuple(float(weight) for weight in weights), tuple(bic), tuple(aic))

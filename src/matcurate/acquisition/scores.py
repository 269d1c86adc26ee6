"""Scores of single candidates: how much each would teach a model. Higher is more; all finite, none negative.

References
----------
B. Settles, "Active learning literature survey", University of Wisconsin–Madison, report 1648 (2009): entropy, margin.
N. Houlsby, F. Huszár, Z. Ghahramani, M. Lengyel, "Bayesian active learning for classification and preference learning",
arXiv:1112.5745 (2011): BALD.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from matcurate.types import FloatArray

Scores = NDArray[np.float64]
"""(N,)."""


def entropy(probabilities: FloatArray) -> Scores:
    """Entropy in nats of probabilities (N, K), in [0, log K]."""
    wide = probabilities.astype(np.float64)
    return np.asarray(np.maximum(-xlogy(wide, wide).sum(axis=-1), 0.0))


def margin(probabilities: FloatArray) -> Scores:
    """1 - (best - second best) of probabilities (N, K), K at least 2, in [0, 1]."""
    best = np.sort(probabilities.astype(np.float64), axis=-1)
    return np.asarray(1 - (best[..., -1] - best[..., -2]))


def bald(draws: FloatArray) -> Scores:
    """Mutual information (N,) of label and model, from T passes with dropout (T, N, K): H(mean) - mean H."""
    return np.asarray(np.maximum(entropy(draws.astype(np.float64).mean(axis=0)) - entropy(draws).mean(axis=0), 0.0))


def rarity(fractions: FloatArray) -> Scores:
    """Share of rare phases in each candidate (N,): the mean of f_p / mean f_p over the phases of (N, P).

    1 for an average candidate; phases that the pool does not show are left out.
    """
    shares = fractions.astype(np.float64)
    mean = shares.mean(axis=0)
    shown = mean > 0
    if not shown.any():
        return np.ones(len(shares))
    return np.asarray((shares[:, shown] / mean[shown]).mean(axis=1))

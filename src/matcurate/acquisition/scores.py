"""How much each candidate would teach, by itself. Higher is more; all finite, none negative.

References
----------
B. Settles, "Active learning literature survey", University of Wisconsin–Madison, report 1648 (2009): entropy, margin,
expected model change.
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
    """Information (N,) that the label has on the model, by T passes with dropout (T, N, K): H(mean) - mean H."""
    return np.asarray(np.maximum(entropy(draws.astype(np.float64).mean(axis=0)) - entropy(draws).mean(axis=0), 0.0))


def expected_gradient(probabilities: FloatArray, embeddings: FloatArray) -> Scores:
    """Length (N,) that the gradient of a softmax layer's cross-entropy is expected to have, over the labels.

    For label k it is ‖p - e_k‖ ‖x‖, with x the embedding (N, D) and a constant 1; the mean is over p (N, K).
    """
    shares = probabilities.astype(np.float64)
    lengths = np.sqrt(np.maximum((shares**2).sum(axis=1, keepdims=True) - 2 * shares + 1, 0))
    reach = np.sqrt((embeddings.astype(np.float64) ** 2).sum(axis=1) + 1)
    return np.asarray((shares * lengths).sum(axis=1) * reach)


def rarity(fractions: FloatArray) -> Scores:
    """How much each candidate (N,) shows of rare phases: the mean of f_p / mean f_p over the phases of (N, P).

    1 for an average candidate; phases that the pool does not show count nothing.
    """
    shares = fractions.astype(np.float64)
    mean = shares.mean(axis=0)
    shown = mean > 0
    if not shown.any():
        return np.ones(len(shares))
    return np.asarray((shares[:, shown] / mean[shown]).mean(axis=1))

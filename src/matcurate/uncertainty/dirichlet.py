"""Measures of certainty that follow from a Dirichlet distribution over class probabilities, in closed form.

Everything takes parameters α = evidence + 1 of K classes, of N samples as (N, K) or of a picture as (K, H, W), and
answers for each sample or pixel in float64. Entropies are in nats. All raise ValueError when α has another shape or no
class, is not finite or is below 1.

References
----------
A. Jøsang, Subjective Logic, Springer (2016), sections 3.5 and 4.2: opinions, vacuity, dissonance.
M. Sensoy, L. Kaplan, M. Kandemir, "Evidential deep learning to quantify classification uncertainty", NeurIPS (2018).
A. Malinin, M. Gales, "Predictive uncertainty estimation via prior networks", NeurIPS (2018), appendix C: entropies.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, xlogy

from matcurate.types import FloatArray

Parameters = FloatArray
"""Dirichlet parameters (N, K) or (K, H, W), finite and at least 1."""
Certainty = NDArray[np.float64]
"""One number for each sample (N,) or pixel (H, W)."""


def class_means(alpha: Parameters) -> NDArray[np.float64]:
    """Expected probabilities p_k = α_k / S, in the shape of ``alpha``; they sum to 1 over the classes."""
    checked, axis = _classes_of(alpha)
    return np.asarray(checked / checked.sum(axis=axis, keepdims=True))


def vacuity(alpha: Parameters) -> Certainty:
    """Vacuity u = K / S in (0, 1], S = Σ α_k: 1 where there is no evidence at all. Sensoy et al. 2018, eq. 2."""
    checked, axis = _classes_of(alpha)
    return np.asarray(checked.shape[axis] / checked.sum(axis=axis))


def dissonance(alpha: Parameters) -> Certainty:
    """Dissonance in [0, 1): how far the evidence there is speaks for several classes at once. Jøsang 2016.

    With belief b_k = (α_k - 1) / S it is Σ_k b_k Σ_{j≠k} b_j Bal(b_j, b_k) / Σ_{j≠k} b_j, where Bal(a, b) = 1 - |a - b|
    / (a + b), or 0 where one is 0.
    """
    checked, axis = _classes_of(alpha)
    belief = np.moveaxis((checked - 1) / checked.sum(axis=axis, keepdims=True), axis, 0)
    total = np.zeros(belief.shape[1:])
    for number, own in enumerate(belief):
        others = np.delete(belief, number, axis=0)
        # b_j Bal(b_j, b_k) = 2 b_j min(b_j, b_k) / (b_j + b_k)
        balanced = _over(2 * others * np.minimum(others, own), others + own).sum(axis=0)
        total += own * _over(balanced, others.sum(axis=0))
    return total


def entropy_of_mean(alpha: Parameters) -> Certainty:
    """Entropy of the expected probabilities, in [0, log K]: all uncertainty together."""
    _, axis = _classes_of(alpha)
    mean = class_means(alpha)
    return np.asarray(-xlogy(mean, mean).sum(axis=axis))


def expected_entropy(alpha: Parameters) -> Certainty:
    """Expected entropy of probabilities drawn from the Dirichlet: the part that more evidence cannot take away.

    E[H(p)] = Σ_k α_k / S (ψ(S + 1) - ψ(α_k + 1)). Malinin and Gales 2018, appendix C.
    """
    checked, axis = _classes_of(alpha)
    strength = checked.sum(axis=axis, keepdims=True)
    return np.asarray((checked / strength * (digamma(strength + 1) - digamma(checked + 1))).sum(axis=axis))


def mutual_information(alpha: Parameters) -> Certainty:
    """Entropy of the mean less expected entropy: what evidence would still tell."""
    return np.maximum(entropy_of_mean(alpha) - expected_entropy(alpha), 0.0)


def _classes_of(alpha: Parameters) -> tuple[NDArray[np.float64], int]:
    """Checked float64 parameters, and the axis of their classes."""
    if alpha.ndim not in (2, 3):
        raise ValueError(f"alpha must be (N, K) or (K, H, W), got shape {alpha.shape}")
    axis = 1 if alpha.ndim == 2 else 0
    if alpha.shape[axis] < 1:
        raise ValueError(f"alpha needs at least one class, got shape {alpha.shape}")
    checked = alpha.astype(np.float64)
    if not np.isfinite(checked).all() or (checked < 1).any():
        raise ValueError("alpha must be finite and at least 1 (evidence + 1)")
    return checked, axis


def _over(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """``part / whole``, 0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)

"""Evidential loss: Bayes risk of the squared error, and a penalty on evidence for wrong classes.

References
----------
M. Sensoy, L. Kaplan, M. Kandemir, "Evidential deep learning to quantify classification uncertainty", NeurIPS (2018),
equation 5 and section 3.
"""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor

from matcurate.config import Strict

IGNORED = -100
"""Label of pixels or samples that are left out, as in torch's own losses."""


class EvidenceSettings(Strict):
    """Evidence of logits, and growth of the penalty."""

    bound: float = Field(
        default=10.0, gt=0, le=20, description="Bound of the absolute value of log evidence, approached smoothly."
    )
    penalty: float = Field(
        default=1.0, ge=0, description="Final weight of the KL divergence from the uniform Dirichlet distribution."
    )
    annealing: int = Field(
        default=10,
        ge=0,
        description="Number of epochs in which that weight grows from 0; 0: full weight from the start.",
    )

    def penalty_at(self, epoch: float) -> float:
        """Weight λ = penalty · min(1, epoch / annealing) of the penalty, ``epoch`` counted from 0."""
        return self.penalty * (min(1.0, epoch / self.annealing) if self.annealing else 1.0)


def evidence(logits: Tensor, bound: float) -> Tensor:
    """Evidence e = exp(b tanh(z / b)) of logits z, in (exp -b, exp b): exponential near 0, bounded far from it.

    A hard bound would stop the gradient where it is passed; this one never does.
    """
    return (bound * torch.tanh(logits / bound)).exp()


def dirichlet_parameters(logits: Tensor, bound: float) -> Tensor:
    """Parameters α = e + 1 of logits of any shape."""
    return evidence(logits, bound) + 1


def evidential_loss(alpha: Tensor, labels: Tensor, penalty: float, weights: Tensor | None = None) -> Tensor:
    """Mean of Bayes risk + ``penalty`` · KL over samples or pixels, a float32 scalar.

    ``alpha`` (N, K) or (N, K, H, W), at least 1; ``labels`` (N,) or (N, H, W), int64 in 0 … K - 1, :data:`IGNORED` is
    left out: the loss is 0, with a gradient of 0, where every label is. ``weights`` (K,) of the classes in the mean;
    None: all alike. Raises ValueError when shapes do not fit or a
    label is no class.
    """
    classes = alpha.shape[1]
    if alpha.ndim not in (2, 4) or labels.shape != (alpha.shape[0], *alpha.shape[2:]):
        raise ValueError(f"alpha {tuple(alpha.shape)} does not fit labels {tuple(labels.shape)}")
    rows, flat = alpha.float().movedim(1, -1).reshape(-1, classes), labels.reshape(-1)
    kept = flat != IGNORED
    rows, flat = rows[kept], flat[kept]
    if not len(flat):
        return alpha.sum() * 0.0
    if int(flat.min()) < 0 or int(flat.max()) >= classes:
        raise ValueError(
            f"labels must lie in 0 … {classes - 1} or be {IGNORED}, got {int(flat.min())} … {int(flat.max())}"
        )
    truth = torch.nn.functional.one_hot(flat, classes).to(rows)
    losses = bayes_risk(rows, truth) + penalty * divergence_from_uniform(truth + (1 - truth) * rows)
    if weights is None:
        return losses.mean()
    return (weights[flat] * losses).sum() / weights[flat].sum().clamp_min(1e-12)


def bayes_risk(alpha: Tensor, truth: Tensor) -> Tensor:
    """Expected squared error (N,) of α (N, K) against one-hot labels: Σ (y - p)² + p (1 - p) / (S + 1). Equation 5."""
    strength = alpha.sum(dim=1, keepdim=True)
    mean = alpha / strength
    return ((truth - mean).square() + mean * (1 - mean) / (strength + 1)).sum(dim=1)


def divergence_from_uniform(alpha: Tensor) -> Tensor:
    """KL (N,) from Dirichlet(α) to the uniform Dirichlet(1) over the same K classes; 0 where α = 1."""
    strength = alpha.sum(dim=1, keepdim=True)
    logarithms = torch.lgamma(strength[:, 0]) - math.lgamma(alpha.shape[1]) - torch.lgamma(alpha).sum(dim=1)
    return logarithms + ((alpha - 1) * (torch.digamma(alpha) - torch.digamma(strength))).sum(dim=1)

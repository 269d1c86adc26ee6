"""Losses and scores of the dense heads."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def balanced_bce(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy with both classes of equal weight.

    Parameters
    ----------
    logits : float tensor
        Of any shape.
    targets : int tensor
        Of the same shape: 1, 0, or -1 where unknown.

    Returns
    -------
    float tensor ()
        Mean over the classes that occur of the mean over their pixels; 0 when nothing is known.
    """
    loss = functional.binary_cross_entropy_with_logits(logits.float(), targets.clamp_min(0).float(), reduction="none")
    members = torch.stack([targets == 0, targets == 1]).flatten(1).float()
    counts = members.sum(dim=1)
    means = (members @ loss.flatten()) / counts.clamp_min(1)
    return means.sum() / (counts > 0).sum().clamp_min(1)


def confusion(logits: Tensor, targets: Tensor, sources: Tensor, count: int) -> Tensor:
    """True positives, positives, true negatives and negatives of each source.

    Parameters
    ----------
    logits : float tensor (B, n, n)
        A pixel is positive above 0.
    targets : int tensor (B, n, n)
        1, 0 or -1 (unknown).
    sources : int64 tensor (B,)
        In 0 … count - 1.
    count : int
        Number of sources.

    Returns
    -------
    float64 tensor (count, 4)
        Numbers of pixels.
    """
    said, positive, negative = logits > 0, targets == 1, targets == 0
    pixels = torch.stack([said & positive, positive, ~said & negative, negative], dim=-1)
    each = pixels.flatten(1, -2).sum(dim=1).double()
    return torch.zeros(count, 4, dtype=torch.float64, device=each.device).index_add_(0, sources, each)


def balanced_accuracy(counts: Tensor) -> float | None:
    """Mean of sensitivity and specificity of ``counts`` (4,) as :func:`confusion` gives them; None without both."""
    hit, positive, passed, negative = counts.tolist()
    return (hit / positive + passed / negative) / 2 if positive and negative else None

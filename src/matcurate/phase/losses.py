"""Loss of a multi-class segmentation: Dice, cross-entropy or focal, and the square of what the ratios are off."""

from __future__ import annotations

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional

from matcurate.config import Strict
from matcurate.types import UNKNOWN


class LossSettings(Strict):
    """Weights of the terms of the loss."""

    dice: float = Field(default=1.0, ge=0, description="Weight of the soft Dice loss.")
    cross_entropy: float = Field(default=1.0, ge=0, description="Weight of the cross-entropy.")
    ratio: float = Field(default=1.0, ge=0, description="Weight of the mean squared error of the phase ratio.")
    focal: float = Field(default=0.0, ge=0, description="Exponent of (1 - p) in the cross-entropy, for rare phases.")
    balance: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Power of the inverse frequency by which the cross-entropy weighs each phase.",
    )

    @model_validator(mode="after")
    def _something(self) -> LossSettings:
        if self.dice == 0 and self.cross_entropy == 0:
            raise ValueError("dice and cross_entropy are both 0; nothing would be learned")
        return self


def phase_loss(logits: Tensor, labels: Tensor, weights: Tensor, settings: LossSettings) -> Tensor:
    """Weighted sum, a scalar, of soft Dice, cross-entropy and squared ratio error.

    ``logits`` (B, n, H, W); ``labels`` (B, H, W), int64 phase ids, pixels that are ``UNKNOWN`` count for nothing;
    ``weights`` (n,) of the phases in the cross-entropy.
    """
    log_shares = functional.log_softmax(logits.float(), dim=1)
    known = labels != UNKNOWN
    shares = log_shares.exp() * known[:, None]
    truth = functional.one_hot(labels * known, shares.shape[1]).movedim(-1, 1).to(shares) * known[:, None]
    return (
        settings.dice * dice_loss(shares, truth)
        + settings.cross_entropy * focal_loss(log_shares, truth, weights, settings.focal)
        + settings.ratio * ratio_loss(shares, truth)
    )


def dice_loss(shares: Tensor, truth: Tensor) -> Tensor:
    """1 - 2 |A ∩ B| / (|A| + |B|) over the whole batch (B, n, H, W), mean over the phases that occur in the truth."""
    shared, sizes = (part.sum(dim=(0, 2, 3)) for part in (shares * truth, shares + truth))
    present = truth.sum(dim=(0, 2, 3)) > 0
    return (1 - 2 * shared / sizes)[present].sum() / present.sum().clamp_min(1)


def focal_loss(log_shares: Tensor, truth: Tensor, weights: Tensor, exponent: float) -> Tensor:
    """Cross-entropy times (1 - p)^exponent (Lin et al. 2017), weighted mean over the pixels of (B, n, H, W)."""
    log_true = (log_shares * truth).sum(dim=1)
    weight = (weights[:, None, None] * truth).sum(dim=1)
    factor = (1 - log_true.exp()).clamp_min(0) ** exponent if exponent else 1.0
    return -(weight * factor * log_true).sum() / weight.sum().clamp_min(1e-12)


def ratio_loss(shares: Tensor, truth: Tensor) -> Tensor:
    """Mean square between the phase ratios of prediction and truth, both (B, n, H, W) and 0 on pixels not known."""
    known = truth.sum(dim=(1, 2, 3)).clamp_min(1)[:, None]
    return functional.mse_loss(shares.sum(dim=(2, 3)) / known, truth.sum(dim=(2, 3)) / known)


def phase_weights(ratio: Tensor, balance: float) -> Tensor:
    """Weights (n,) of phases of these frequencies (n,): to the power -``balance``, with mean 1; 0 where absent."""
    present = ratio > 0
    weights = torch.where(present, ratio.clamp_min(1e-12) ** -balance, 0.0)
    return weights * present.sum() / weights.sum()

"""Losses and scores of the network's outputs."""

import torch
from torch import Tensor
from torch.nn import functional

from matcurate.promptable.builtin.network import OUTPUTS

WEIGHTS = {"foreground": 1.0, "contact": 0.5, "boundary": 0.5, "distance": 0.5}
RARE = {"contact": 4.0, "boundary": 2.0}
"""Weight of the rare class in the cross-entropy of outputs that are mostly 0."""


def output_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Loss (4,) of each output, of logits and targets (B, 4, n, n), which are in [0, 1], or -1 where unknown."""
    losses = []
    for index, name in enumerate(OUTPUTS):
        logit, target = logits[:, index].float(), targets[:, index]
        known = (target >= 0).float()
        wanted = target.clamp_min(0)
        entropy = functional.binary_cross_entropy_with_logits(logit, wanted, reduction="none")
        weight = known * (1 + (RARE.get(name, 1.0) - 1) * wanted)
        loss = (weight * entropy).sum() / weight.sum().clamp_min(1)
        if name != "distance":
            chance = logit.sigmoid()
            loss = loss + _dice(chance, wanted, known)
            if name == "foreground":
                loss = loss + 0.5 * (_dice(1 - chance, 1 - wanted, known) - _dice(chance, wanted, known))
        losses.append(loss)
    return torch.stack(losses)


def _dice(chance: Tensor, wanted: Tensor, known: Tensor) -> Tensor:
    """1 - Dice, the mean over the crops (B, n, n) in which something is known and wanted."""
    both = (chance * wanted * known).sum(dim=(1, 2))
    total = ((chance + wanted) * known).sum(dim=(1, 2))
    there = ((wanted * known).sum(dim=(1, 2)) > 0).float()
    dice = 1 - (2 * both + 1) / (total + 1)
    return (dice * there).sum() / there.sum().clamp_min(1)


def confusion(logits: Tensor, targets: Tensor, sources: Tensor, count: int) -> Tensor:
    """True positives, false positives and false negatives (count, 4, 3) of each source and output, in pixels."""
    predicted, known, true = logits > 0, targets >= 0, targets > 0.5
    cells = torch.stack([predicted & true & known, predicted & ~true & known, ~predicted & true & known], dim=-1)
    counts = cells.sum(dim=(2, 3)).double()
    return counts.new_zeros(count, *counts.shape[1:]).index_add_(0, sources, counts)

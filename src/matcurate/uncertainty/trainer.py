"""Training of a head: by evidence, or, to compare with, by cross-entropy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from matcurate.config import Strict
from matcurate.errors import TrainingError
from matcurate.types import FloatArray
from matcurate.uncertainty.loss import (
    EvidenceSettings,
    dirichlet_parameters,
    divergence_from_uniform,
    evidential_loss,
)
from matcurate.uncertainty.whitening import Labels


class HeadTraining(Strict):
    """Settings of the training of a head."""

    objective: Literal["evidence", "softmax"] = Field(
        default="evidence", description="Loss: evidential, or cross-entropy for comparison."
    )
    epochs: int = Field(default=20, ge=1, description="Number of passes over all samples.")
    batch: int = Field(default=256, ge=1, description="Number of samples in one training step.")
    learning_rate: float = Field(default=0.002, gt=0, description="Initial learning rate.")
    mixing: float = Field(
        default=0.0,
        ge=0,
        description="Weight of a loss that asks for no evidence between samples of different classes.",
    )


class EvidenceModel(nn.Module, ABC):
    """Gives logits of evidence for named classes: a fixed first step, then what learns."""

    classes: tuple[str, ...]
    evidence: EvidenceSettings

    def whitened(self, samples: Tensor) -> Tensor:
        """Fixed first step: (N, d) of samples (N, …), by default the samples themselves."""
        return samples

    def augment(self, whitened: Tensor, rng: np.random.Generator) -> Tensor:
        """Vary the samples of a batch at random, by default not at all."""
        return whitened

    @abstractmethod
    def logits(self, whitened: Tensor) -> Tensor:
        """Logits (N, K) of what :meth:`whitened` gives."""

    def forward(self, samples: Tensor) -> Tensor:
        """Logits (N, K) of samples (N, …)."""
        return self.logits(self.whitened(samples))


def train_head(
    head: EvidenceModel,
    embeddings: FloatArray,
    labels: Labels,
    settings: HeadTraining,
    *,
    rng: np.random.Generator,
) -> None:
    """Train a head in place, with Adam and a learning rate that falls along half a cosine; then set evaluation mode.

    ``embeddings`` (N, D) of crops of all its classes, or for a network the crops (N, h, w), after ``extended`` old and
    new ones; ``labels`` (N,) in 0 … K - 1. A head of one class stays as it began: its loss is 0 everywhere. Raises
    ValueError when lengths differ, there is nothing, or a label is no class; TrainingError when the loss is not finite.
    """
    if embeddings.ndim < 2 or labels.shape != embeddings.shape[:1] or not len(labels):
        raise ValueError(f"embeddings {embeddings.shape} do not fit labels {labels.shape}, or there are none")
    if len(head.classes) == 1:
        return
    device = next(head.parameters()).device
    with torch.no_grad():
        samples = head.whitened(torch.from_numpy(embeddings.astype(np.float32)).to(device))
    truth = torch.from_numpy(labels.astype(np.int64)).to(device)
    optimizer = torch.optim.Adam(head.parameters(), lr=settings.learning_rate)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs)
    head.train()
    for epoch in range(settings.epochs):
        for chosen in torch.split(torch.from_numpy(rng.permutation(len(truth))), settings.batch):
            varied = head.augment(samples[chosen], rng)
            loss = _loss(head, varied, truth[chosen], settings, epoch, rng)
            if not torch.isfinite(loss):
                raise TrainingError(f"the loss is not finite in epoch {epoch + 1}; lower the learning rate")
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        falling.step()
    head.train(False)


def _loss(
    head: EvidenceModel,
    samples: Tensor,
    truth: Tensor,
    settings: HeadTraining,
    epoch: int,
    rng: np.random.Generator,
) -> Tensor:
    logits = head.logits(samples)
    if settings.objective == "softmax":
        return functional.cross_entropy(logits, truth)
    chosen = head.evidence
    loss = evidential_loss(dirichlet_parameters(logits, chosen.bound), truth, chosen.penalty_at(epoch))
    if settings.mixing:
        loss = loss + settings.mixing * _between(head, samples, truth, chosen.bound, rng)
    return loss


def _between(head: EvidenceModel, samples: Tensor, truth: Tensor, bound: float, rng: np.random.Generator) -> Tensor:
    """Divergence from no evidence of points between samples (N, …) of different classes."""
    partner = torch.from_numpy(rng.permutation(len(samples))).to(samples.device)
    share = torch.from_numpy(rng.uniform(0.3, 0.7, len(samples))).to(samples)
    share = share.view(-1, *[1] * (samples.ndim - 1))
    different = truth != truth[partner]
    if not different.any():
        return samples.sum() * 0.0
    mixed = (share * samples + (1 - share) * samples[partner])[different]
    return divergence_from_uniform(dirichlet_parameters(head.logits(mixed), bound)).mean()

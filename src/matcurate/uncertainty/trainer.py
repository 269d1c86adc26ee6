"""Training of a head: by evidence, or, to compare with, by cross-entropy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

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
    """How a head is trained."""

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


class HasEvidence(Protocol):
    """Settings that say how logits become evidence."""

    @property
    def evidence(self) -> EvidenceSettings:
        """How."""


class Trainable(Protocol):
    """What can be trained here: a fixed first step, and logits of what comes out of it."""

    @property
    def settings(self) -> HasEvidence:
        """Of its evidence."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names, in the order of the outputs."""

    def whitened(self, embeddings: Tensor) -> Tensor:
        """What does not learn: (N, d) of embeddings (N, D), or images of crops (N, h, w)."""

    def augment(self, whitened: Tensor, rng: np.random.Generator) -> Tensor:
        """The same samples as they may look another time; drawn anew for each batch."""

    def logits(self, whitened: Tensor) -> Tensor:
        """What learns: logits (N, K)."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """All that learn."""

    def train(self, mode: bool = True) -> object:
        """Switch dropout on or off."""


@dataclass(frozen=True, slots=True)
class EpochReport:
    """How a training stands: epochs done, mean loss and share of right answers in this one."""

    epoch: int
    epochs: int
    loss: float
    accuracy: float


def train_head(
    head: Trainable,
    embeddings: FloatArray,
    labels: Labels,
    settings: HeadTraining,
    *,
    rng: np.random.Generator,
    report: Callable[[EpochReport], None] = lambda report: None,
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
        loss, accuracy = _epoch(head, samples, truth, settings, epoch, optimizer, rng)
        falling.step()
        report(EpochReport(epoch + 1, settings.epochs, loss, accuracy))
    head.train(False)


def _epoch(
    head: Trainable,
    samples: Tensor,
    truth: Tensor,
    settings: HeadTraining,
    epoch: int,
    optimizer: torch.optim.Optimizer,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """One look at every sample (N, …): mean loss and share of right ones."""
    losses, right = 0.0, 0
    for chosen in _batches(len(truth), settings.batch, rng):
        varied = head.augment(samples[chosen], rng)
        logits = head.logits(varied)
        loss = _loss(head, logits, varied, truth[chosen], settings, epoch, rng)
        if not torch.isfinite(loss):
            raise TrainingError(f"the loss is not finite in epoch {epoch + 1}; lower the learning rate")
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses += loss.item() * len(chosen)
        right += int((logits.argmax(1) == truth[chosen]).sum())
    return losses / len(truth), right / len(truth)


def _loss(
    head: Trainable,
    logits: Tensor,
    samples: Tensor,
    truth: Tensor,
    settings: HeadTraining,
    epoch: int,
    rng: np.random.Generator,
) -> Tensor:
    if settings.objective == "softmax":
        return functional.cross_entropy(logits, truth)
    chosen = head.settings.evidence
    loss = evidential_loss(dirichlet_parameters(logits, chosen.bound), truth, chosen.penalty_at(epoch))
    if settings.mixing:
        loss = loss + settings.mixing * _between(head, samples, truth, chosen.bound, rng)
    return loss


def _between(head: Trainable, samples: Tensor, truth: Tensor, bound: float, rng: np.random.Generator) -> Tensor:
    """Divergence from no evidence of points between samples (N, …) of different classes."""
    partner = torch.from_numpy(rng.permutation(len(samples))).to(samples.device)
    share = torch.from_numpy(rng.uniform(0.3, 0.7, len(samples))).to(samples)
    share = share.view(-1, *[1] * (samples.ndim - 1))
    different = truth != truth[partner]
    if not different.any():
        return samples.sum() * 0.0
    mixed = (share * samples + (1 - share) * samples[partner])[different]
    return divergence_from_uniform(dirichlet_parameters(head.logits(mixed), bound)).mean()


def _batches(count: int, size: int, rng: np.random.Generator) -> tuple[Tensor, ...]:
    return torch.split(torch.from_numpy(rng.permutation(count)), size)

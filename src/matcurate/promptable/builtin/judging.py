"""Learning the quality of regions from examples, the second task of the pre-training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor
from torch.nn import functional

from matcurate.promptable.builtin.answers import Answers
from matcurate.promptable.builtin.examples import Examples
from matcurate.promptable.builtin.quality import Estimator, Judge, Panel
from matcurate.promptable.builtin.recipe import PromptRecipe, SeamRecipe

HELD_OUT = 8
"""One picture in so many is kept for the report."""
ERROR_WEIGHT = 4.0
"""Of the absolute error beside the cross-entropy, which falls more slowly."""


@dataclass(frozen=True, slots=True)
class QualityReport:
    """How well quality is judged on pictures kept apart.

    Parameters
    ----------
    rank, boxed_rank : float or None
        Spearman's correlation of quality and true overlap, of points and of boxes; None without pictures, or where all
        are equal.
    error, boxed_error : float or None
        Mean absolute difference of both.
    examples : int
        Regions learned from.
    """

    rank: float | None
    error: float | None
    boxed_rank: float | None
    boxed_error: float | None
    examples: int


@dataclass(frozen=True, slots=True)
class AnswerReport:
    """How well points are answered in pictures kept apart.

    Parameters
    ----------
    overlap : float or None
        Mean intersection over union of the best answer with the object pointed at; None without pictures.
    error : float or None
        Mean absolute difference of its quality and that.
    offered_error : float or None
        The same over all that is offered.
    examples : int
        Points learned from.
    """

    overlap: float | None
    error: float | None
    offered_error: float | None
    examples: int


def learn_quality(judge: Judge, found: Sequence[Examples], recipe: PromptRecipe, seed: int) -> QualityReport:
    """Learn the expected overlap of regions from their descriptors, for points and for boxes.

    Binary cross-entropy against the overlap in [0, 1], AdamW with a rate that falls to 0 by a cosine.

    Parameters
    ----------
    judge : Judge
        Untrained; learns in place, on the device where it is.
    found : sequence of Examples
        One for each picture; every eighth is kept for the report.
    recipe : PromptRecipe
        Epochs, batch and learning rate.
    seed : int
        Of the order.
    """
    learned = [one for number, one in enumerate(found) if number % HELD_OUT]
    kept, count = found[::HELD_OUT], 0
    scores: list[tuple[float | None, float | None]] = []
    for quality, take in ((judge.points, _points), (judge.boxes, _boxes)):
        inputs, overlaps = take(learned)
        count += len(inputs)
        if len(inputs):
            learn(quality, inputs, overlaps, recipe, seed)
        scores.append(_scored(quality, *take(kept)))
    (rank, error), (boxed_rank, boxed_error) = scores
    return QualityReport(rank, error, boxed_rank, boxed_error, count)


def learn(
    estimator: Estimator,
    inputs: Tensor,
    targets: Tensor,
    recipe: PromptRecipe | SeamRecipe,
    seed: int,
    weights: Tensor | None = None,
) -> None:
    """Teach an estimator true values (M,) in [0, 1] of its inputs (M, D), each of a weight (M,), on its device."""
    device = estimator.mean.device
    inputs, targets = inputs.to(device), targets.to(device)
    weights = torch.ones_like(targets) if weights is None else (weights / weights.mean()).to(device)
    estimator.mean.copy_(inputs.mean(dim=0))
    deviation = inputs.std(dim=0, correction=0)
    estimator.deviation.copy_(torch.where(deviation > 0, deviation, 1))
    optimizer = torch.optim.AdamW(estimator.parameters(), lr=recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs * -(-len(inputs) // recipe.batch))
    order = torch.Generator().manual_seed(seed)
    for _ in range(recipe.epochs):
        for chosen in torch.split(torch.randperm(len(inputs), generator=order).to(device), recipe.batch):
            loss = functional.binary_cross_entropy_with_logits(
                estimator(inputs[chosen]), targets[chosen], weight=weights[chosen]
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()


def learn_answers(panel: Panel, found: Sequence[Answers], recipe: PromptRecipe, seed: int) -> AnswerReport:
    """Learn the overlap of all that is offered for one point, side by side.

    Cross-entropy against the overlap and, of weight ``recipe.median``, four times the absolute error: its optimum lies
    between the mean and the median of what may come of an answer, the latter being the least wrong.

    Parameters
    ----------
    panel : Panel
        Untrained; learns in place, on the device where it is.
    found : sequence of Answers
        One for each picture; every eighth is kept for the report.
    recipe : PromptRecipe
        Epochs, batch, learning rate and weight decay.
    seed : int
        Of the order.
    """
    learned = [one for number, one in enumerate(found) if number % HELD_OUT]
    measured, there, overlap = _answered(learned)
    if len(measured):
        _learn_together(panel, measured, there, overlap, recipe, seed)
    report = AnswerReport(None, None, None, len(measured))
    measured, there, overlap = _answered(found[::HELD_OUT])
    if len(measured):
        judged, truth = panel.judge(measured.numpy(), there.numpy()), overlap.numpy()
        chosen = (np.arange(len(judged)), judged.argmax(axis=1))
        error = float(np.abs(judged - truth)[there.numpy()].mean())
        report = AnswerReport(
            float(truth[chosen].mean()), float(np.abs(judged - truth)[chosen].mean()), error, report.examples
        )
    return report


def _learn_together(
    panel: Panel, measured: Tensor, there: Tensor, overlap: Tensor, recipe: PromptRecipe, seed: int
) -> None:
    device = panel.mean.device
    every = measured[there]
    deviation = every.std(dim=0, correction=0)
    panel.mean.copy_(every.mean(dim=0))
    panel.deviation.copy_(torch.where(deviation > 0, deviation, 1))
    optimizer = torch.optim.AdamW(
        panel.parameters(), lr=recipe.answered_learning_rate, weight_decay=recipe.answered_weight_decay
    )
    steps = recipe.answered_epochs * -(-len(measured) // recipe.answered_batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.answered_learning_rate, total_steps=steps)
    order = torch.Generator().manual_seed(seed)
    for _ in range(recipe.answered_epochs):
        for chosen in torch.split(torch.randperm(len(measured), generator=order), recipe.answered_batch):
            here, truth = there[chosen].to(device), overlap[chosen].to(device)
            logits, truth = panel(measured[chosen].to(device), here)[here], truth[here]
            entropy = functional.binary_cross_entropy_with_logits(logits, truth)
            error = (logits.sigmoid() - truth).abs().mean()
            loss = (1 - recipe.median) * entropy + recipe.median * ERROR_WEIGHT * error
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()


def _answered(found: Sequence[Answers]) -> tuple[Tensor, Tensor, Tensor]:
    """Measurements, whether they are there, and overlaps of all points for which something is offered."""
    asked = [one for one in found if one.offers.there.any()]
    if not asked:
        return torch.zeros(0), torch.zeros(0), torch.zeros(0)
    some = np.concatenate([one.offers.there for one in asked]).any(axis=1)
    parts = (
        [one.offers.measured for one in asked],
        [one.offers.there for one in asked],
        [one.overlap for one in asked],
    )
    measured, there, overlap = (torch.from_numpy(np.concatenate(part)[some]) for part in parts)
    return measured, there, overlap


def _points(found: Sequence[Examples]) -> tuple[Tensor, Tensor]:
    return _joined([one.descriptors for one in found]), _joined([one.overlap for one in found])


def _boxes(found: Sequence[Examples]) -> tuple[Tensor, Tensor]:
    return _joined([one.boxed_descriptors for one in found]), _joined([one.boxed_overlap for one in found])


def _joined(parts: Sequence[NDArray[np.float32]]) -> Tensor:
    return torch.from_numpy(np.concatenate(parts)) if parts else torch.zeros(0)


def _scored(quality: Estimator, inputs: Tensor, overlaps: Tensor) -> tuple[float | None, float | None]:
    """Rank correlation and mean error."""
    if not len(inputs):
        return None, None
    judged, truth = quality.judge(inputs.numpy()), overlaps.numpy()
    rank = float(spearmanr(judged, truth).statistic) if np.ptp(judged) and np.ptp(truth) else None
    return rank, float(np.abs(judged - truth).mean())

"""Training from corrections: steps that repeat, early stopping, and a checkpoint to go on from."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from matcurate.config import Strict
from matcurate.errors import TrainingError
from matcurate.phase.inference import segment_phases
from matcurate.phase.losses import LossSettings, phase_weights
from matcurate.phase.model import SegmentationModel
from matcurate.phase.ratios import exact_ratio, guessed_ratio, no_ratio
from matcurate.phase.samples import BatchSource, Picture, Sampler, SamplingSettings
from matcurate.phase.scores import mean_of, phase_dice
from matcurate.phase.training_state import Run
from matcurate.types import Progress, silent

CHECKPOINT = "checkpoint.pt"
ACCURACY = 0.9
"""Accuracy of the guessed ratio in validation, as in the paper's evaluation."""


class TrainSettings(Strict):
    """Settings of a training."""

    steps: int = Field(default=200, ge=1, description="Maximum number of training steps.")
    learning_rate: float = Field(default=1e-3, gt=0, description="Largest learning rate.")
    plm_rate: float = Field(
        default=1.0,
        gt=0,
        description="Learning rate of the Phase Learning Modules, as a multiple of ``learning_rate``.",
    )
    head_rate: float = Field(
        default=1.0,
        gt=0,
        description="Learning rate of the last layer of a region segmenter, as a multiple of ``learning_rate``.",
    )
    weight_decay: float = Field(default=1e-2, ge=0, description="Weight decay of AdamW.")
    clip: float | None = Field(default=None, gt=0, description="Largest norm of the gradient; None: no limit.")
    warmup: int = Field(
        default=10, ge=0, description="Number of steps in which the learning rate rises; then it falls by a cosine."
    )
    validate_every: int = Field(default=50, ge=1, description="Number of steps between two validations.")
    patience: int = Field(
        default=4, ge=1, description="Number of validations without a better Dice after which training stops."
    )
    checkpoint_every: int = Field(default=50, ge=1, description="Number of steps between two checkpoints.")
    sampling: SamplingSettings = SamplingSettings()
    loss: LossSettings = LossSettings()

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        rising = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        return self.learning_rate * rising * 0.5 * (1 + math.cos(math.pi * step / self.steps))

    def fingerprint(self, seed: int) -> str:
        """Hex SHA-256 over what a resumed run shares with the one it goes on with."""
        kept = self.model_dump_json(exclude={"checkpoint_every"})
        return hashlib.sha256(f"{kept} {seed}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class StepReport:
    """State of a run: steps done, mean loss since the last report, Dice of the validation part if there is one.

    ``gamma`` and ``delta`` are the regulators of the module on the coarsest features, None without it; ``regulators``
    has both of every module, in the order of :meth:`PhaseModel.modules_of_ratio`.
    """

    step: int
    steps: int
    loss: float
    dice: float | None
    gamma: float | None
    delta: float | None
    regulators: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class TrainReport:
    """Result of a run; the model holds the weights of ``best_step``."""

    steps: int
    best_step: int
    best_dice: float | None
    seconds_per_step: float
    stopped_early: bool


def train(
    model: SegmentationModel,
    pictures: Sequence[Picture] | BatchSource,
    settings: TrainSettings,
    *,
    seed: int,
    validation: Sequence[Picture] = (),
    start: Mapping[str, Tensor] | None = None,
    folder: Path | None = None,
    stop_after: int | None = None,
    report: Callable[[StepReport], None] = lambda report: None,
    progress: Progress = silent,
) -> TrainReport:
    """Train a model in place; at the end it holds the weights with the best Dice on ``validation``.

    ``pictures`` are labelled micrographs, whose crops are drawn as the settings say, or a source of batches.
    Without ``validation`` the last weights are kept. It starts with ``start``, the learned state of a model of the same
    shape, if given. A training that was interrupted resumes from the checkpoint in ``folder``, which is removed at the
    end; ``stop_after`` leaves after that many steps of this call, with a checkpoint. On CUDA it computes in bfloat16.

    Raises CheckpointError or ConfigError when the checkpoint is damaged, or belongs to other settings or another seed;
    KeyError or ValueError when ``start`` does not fit, there is no picture, or a phase id is too large; TrainingError
    when the loss is not finite.
    """
    run = Run(model, settings.weight_decay, settings.plm_rate, settings.head_rate)
    sampler = pictures
    if not isinstance(sampler, BatchSource):
        sampler = Sampler(sampler, model.phases, settings.sampling, model, model.scale)
    weights = phase_weights(torch.from_numpy(sampler.frequencies).float(), settings.loss.balance)
    checkpoint, fingerprint = None if folder is None else folder / CHECKPOINT, settings.fingerprint(seed)
    if isinstance(sampler, Sampler):
        for module in model.modules_of_ratio():
            module.standardise(sampler.ratios)
    if start is not None:
        model.load_learned_state(dict(start))
    if checkpoint is not None and checkpoint.exists():
        run.restore(checkpoint, fingerprint)
    last = settings.steps if stop_after is None else run.step + stop_after
    losses: list[float] = []
    while not run.ended(settings.steps, settings.patience) and run.step < last:
        losses.append(_advance(run, sampler, weights, settings, seed))
        progress(run.step, settings.steps, f"loss {losses[-1]:.3f}")
        if run.step % settings.validate_every == 0 or run.step == settings.steps:
            dice = validation_dice(model, validation) if validation else None
            run.keep(dice)
            report(_step_report(run, settings, losses, dice))
            losses = []
        if checkpoint is not None and (run.step == last or run.step % settings.checkpoint_every == 0):
            run.save(checkpoint, fingerprint)
    if run.ended(settings.steps, settings.patience):
        if run.best:
            model.load_learned_state(run.best)
        if checkpoint is not None:
            checkpoint.unlink(missing_ok=True)
    seconds = run.seconds / max(1, run.step)
    return TrainReport(run.step, run.best_step, run.best_dice, seconds, run.stale >= settings.patience)


def validation_dice(model: SegmentationModel, pictures: Sequence[Picture]) -> float:
    """Mean Dice over phases and pictures; with the module, the mean of no ratio and a guess of accuracy 0.9."""
    scores: list[float] = []
    for picture in pictures:
        ratios = [no_ratio(model.phases)]
        if model.modules_of_ratio():
            ratios.append(guessed_ratio(exact_ratio(picture.labels, model.phases), ACCURACY))
        for ratio in ratios:
            mean = mean_of(phase_dice(segment_phases(model, picture.grey, ratio), picture.labels, model.phases))
            scores.append(0.0 if mean is None else mean)
    return float(np.mean(scores))


def _advance(run: Run, sampler: BatchSource, weights: Tensor, settings: TrainSettings, seed: int) -> float:
    """Take one step; returns its loss."""
    begun = time.perf_counter()
    model, device = run.model, next(run.model.parameters()).device
    for group in run.optimizer.param_groups:
        group["lr"] = group["rate"] * settings.learning_rate_at(run.step)
    batch = sampler.batch(seed, run.step)
    model.train()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(np.random.default_rng((seed, run.step, 1)).integers(2**62)))  # dropout
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
            logits = model(batch.images.to(device), batch.ratios.to(device))
    share = run.step / settings.steps
    loss = model.loss(logits, batch.labels.to(device), weights.to(device), settings.loss, share)
    if not torch.isfinite(loss):
        raise TrainingError(f"the loss is not finite after {run.step} steps; lower the learning rate")
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    if settings.clip is not None:
        torch.nn.utils.clip_grad_norm_((value for value in model.parameters() if value.requires_grad), settings.clip)
    run.optimizer.step()
    run.step += 1
    value = float(loss.detach())
    run.seconds += time.perf_counter() - begun
    return value


def _step_report(run: Run, settings: TrainSettings, losses: Sequence[float], dice: float | None) -> StepReport:
    modules = run.model.modules_of_ratio()
    regulators = tuple((module.aggregator.gamma.item(), module.aggregator.delta.item()) for module in modules)
    gamma, delta = regulators[0] if regulators else (None, None)
    return StepReport(run.step, settings.steps, float(np.mean(losses)), dice, gamma, delta, regulators)

"""Training from corrections: steps that repeat, early stopping, and a checkpoint to go on from."""

from __future__ import annotations

import hashlib
import math
import pickle
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from matcurate.config import Strict
from matcurate.errors import CheckpointError, ConfigError, TrainingError
from matcurate.phase.inference import segment_phases
from matcurate.phase.losses import LossSettings, phase_loss, phase_weights
from matcurate.phase.model import PhaseModel
from matcurate.phase.ratios import exact_ratio, guessed_ratio, no_ratio
from matcurate.phase.samples import Picture, Sampler, SamplingSettings
from matcurate.phase.scores import mean_of, score_phases

CHECKPOINT = "checkpoint.pt"
ACCURACY = 0.9
"""Of the guessed ratio in validation, as in the paper's evaluation."""


class TrainSettings(Strict):
    """How a model is trained."""

    steps: int = Field(default=200, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=1e-2, ge=0)
    warmup: int = Field(default=10, ge=0, description="Steps in which the learning rate rises; then half a cosine.")
    validate_every: int = Field(default=50, ge=1, description="Steps between looks at the validation part.")
    patience: int = Field(default=4, ge=1, description="Looks without a better Dice after which training stops.")
    checkpoint_every: int = Field(default=50, ge=1, description="Steps between checkpoints.")
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
    """How a run stands: steps done, mean loss since the last report, Dice of the validation part where there is one.

    ``gamma`` and ``delta`` are the module's regulators, None without it.
    """

    step: int
    steps: int
    loss: float
    dice: float | None
    gamma: float | None
    delta: float | None


@dataclass(frozen=True, slots=True)
class TrainReport:
    """How a run ended; the model holds the weights of ``best_step``."""

    steps: int
    best_step: int
    best_dice: float | None
    seconds_per_step: float
    stopped_early: bool


class _Run:
    """All that a resumed run needs besides settings and seed; nothing random is kept, since steps draw by number."""

    def __init__(self, model: PhaseModel, settings: TrainSettings) -> None:
        self.model = model
        learning = [value for value in model.parameters() if value.requires_grad]
        self.optimizer = torch.optim.AdamW(learning, lr=settings.learning_rate, weight_decay=settings.weight_decay)
        self.step = 0
        self.seconds = 0.0
        self.best: dict[str, Tensor] = {}
        self.best_step = 0
        self.best_dice: float | None = None
        self.stale = 0

    def keep(self, dice: float | None) -> None:
        """Remember the weights if they are the best so far; without a validation part the last are."""
        if dice is None or self.best_dice is None or dice > self.best_dice:
            self.best = {name: value.detach().clone() for name, value in self.model.learned_state().items()}
            self.best_dice, self.best_step, self.stale = dice, self.step, 0
        else:
            self.stale += 1

    def save(self, path: Path, fingerprint: str) -> None:
        state = {
            "fingerprint": fingerprint,
            "step": self.step,
            "seconds": self.seconds,
            "learned": self.model.learned_state(),
            "optimizer": self.optimizer.state_dict(),
            "best": self.best,
            "best_step": self.best_step,
            "best_dice": self.best_dice,
            "stale": self.stale,
        }
        partial = path.with_name(f".{path.name}.part")
        torch.save(state, partial)
        partial.replace(path)

    def restore(self, path: Path, fingerprint: str) -> None:
        try:
            state = torch.load(path, map_location=next(self.model.parameters()).device, weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise CheckpointError(f"{path}: damaged ({reason}); remove it, and train from the start") from error
        if state["fingerprint"] != fingerprint:
            raise ConfigError(f"{path}: of other settings or another seed; resume with those, or choose another folder")
        self.model.load_learned_state(state["learned"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.best, self.best_step, self.best_dice = state["best"], state["best_step"], state["best_dice"]
        self.stale = state["stale"]


def train(
    model: PhaseModel,
    pictures: Sequence[Picture],
    settings: TrainSettings,
    *,
    seed: int,
    validation: Sequence[Picture] = (),
    start: Mapping[str, Tensor] | None = None,
    folder: Path | None = None,
    stop_after: int | None = None,
    report: Callable[[StepReport], None] = lambda report: None,
) -> TrainReport:
    """Train a model in place; at the end it holds the weights with the best Dice on the validation part.

    Parameters
    ----------
    model : PhaseModel
        On any device; on CUDA it computes in bfloat16.
    pictures : sequence of Picture
        What is learned from.
    settings : TrainSettings
        Everything but the seed.
    seed : int
        Of crops and dropout, non-negative.
    validation : sequence of Picture
        For early stopping; empty: the last weights are kept.
    start : mapping of str to tensor, optional
        Learned state of another model of the same shape to begin with.
    folder : Path, optional
        Of the checkpoint; a run interrupted there goes on, and its end takes the checkpoint away.
    stop_after : int, optional
        Leave after this many steps of this call, with a checkpoint, for a time budget.
    report : callable
        Told at every look at the validation part.

    Raises
    ------
    CheckpointError
        When the checkpoint is damaged.
    ConfigError
        When it belongs to other settings or another seed.
    KeyError, ValueError
        When ``start`` does not fit, there is no picture, or a phase id is too large.
    TrainingError
        When the loss is not finite.
    """
    run, fingerprint = _Run(model, settings), settings.fingerprint(seed)
    sampler = Sampler(pictures, model.phases, settings.sampling, model.segmenter)
    weights = phase_weights(torch.from_numpy(sampler.frequencies).float(), settings.loss.balance)
    checkpoint = None if folder is None else folder / CHECKPOINT
    if start is not None:
        model.load_learned_state(dict(start))
    if checkpoint is not None and checkpoint.exists():
        run.restore(checkpoint, fingerprint)
    first, losses, stopped = run.step, [], False
    while run.step < settings.steps and not stopped:
        begun = time.perf_counter()
        losses.append(_advance(run, sampler, weights, settings, seed))
        run.seconds += time.perf_counter() - begun
        if run.step % settings.validate_every == 0 or run.step == settings.steps:
            dice = validation_dice(model, validation) if validation else None
            run.keep(dice)
            report(_step_report(run, settings, losses, dice))
            losses, stopped = [], run.stale >= settings.patience
        over = stop_after is not None and run.step - first >= stop_after
        if checkpoint is not None and (over or run.step % settings.checkpoint_every == 0):
            run.save(checkpoint, fingerprint)
        if over:
            return _ended(run, stopped)
    if run.best:
        model.load_learned_state(run.best)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return _ended(run, stopped)


def validation_dice(model: PhaseModel, pictures: Sequence[Picture]) -> float:
    """Mean Dice over phases and pictures; with the module, the mean of no ratio and a guess of accuracy 0.9."""
    scores: list[float] = []
    for each in pictures:
        told = [no_ratio(model.phases)]
        if model.plm is not None:
            told.append(guessed_ratio(exact_ratio(each.labels, model.phases), ACCURACY))
        for ratio in told:
            mean = mean_of(score_phases(segment_phases(model, each.grey, ratio), each.labels, model.phases).dice)
            scores.append(0.0 if mean is None else mean)
    return float(np.mean(scores))


def _advance(run: _Run, sampler: Sampler, weights: Tensor, settings: TrainSettings, seed: int) -> float:
    """One step; returns its loss."""
    model, device = run.model, next(run.model.parameters()).device
    for group in run.optimizer.param_groups:
        group["lr"] = settings.learning_rate_at(run.step)
    batch = sampler.batch(seed, run.step)
    model.train()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(np.random.default_rng((seed, run.step, 1)).integers(2**62)))  # dropout
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
            logits = model(batch.images.to(device), batch.ratios.to(device))
    loss = phase_loss(logits, batch.labels.to(device), weights.to(device), settings.loss)
    if not torch.isfinite(loss):
        raise TrainingError(f"the loss is not finite after {run.step} steps; lower the learning rate")
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    run.optimizer.step()
    run.step += 1
    return float(loss.detach())


def _step_report(run: _Run, settings: TrainSettings, losses: Sequence[float], dice: float | None) -> StepReport:
    plm = run.model.plm
    gamma, delta = (None, None) if plm is None else (plm.aggregator.gamma.item(), plm.aggregator.delta.item())
    return StepReport(run.step, settings.steps, float(np.mean(losses)), dice, gamma, delta)


def _ended(run: _Run, stopped: bool) -> TrainReport:
    return TrainReport(run.step, run.best_step, run.best_dice, run.seconds / max(1, run.step), stopped)

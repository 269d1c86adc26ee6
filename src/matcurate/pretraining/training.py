"""The training of the built-in network: its state, one step, and the loop that saves it."""

import pickle
import time
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from matcurate.errors import CheckpointError, ConfigError
from matcurate.pretraining.crops import Batch
from matcurate.pretraining.losses import WEIGHTS, confusion, output_losses
from matcurate.pretraining.recipe import Recipe
from matcurate.promptable.builtin.network import OUTPUTS, ObjectNet

CHECKPOINT = "checkpoint.pt"
GRADIENT = 5.0
"""Largest norm of the gradient; a larger one is scaled down."""


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """How a run stands: steps and seconds since the beginning, over all resumed runs.

    ``loss`` is the mean of each output's since the last report; ``dice`` that of each output by source since then,
    where there was something to find.
    """

    step: int
    seconds: float
    loss: Mapping[str, float]
    dice: Mapping[str, Mapping[str, float]]


class Training:
    """Network, its moving average, optimiser and step: all that a resumed run needs besides recipe and seed.

    The seed is that of the first weights of the decoder.
    """

    def __init__(self, recipe: Recipe, seed: int, device: str = "cpu") -> None:
        self.recipe, self.seed, self.device = recipe, seed, torch.device(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = ObjectNet(recipe.network).to(self.device).to(memory_format=torch.channels_last)
        self.averaged = deepcopy(self.network).eval()
        encoder = list(self.network.encoder.parameters())
        rest = [value for name, value in self.network.named_parameters() if not name.startswith("encoder.")]
        self.optimizer = torch.optim.AdamW(
            [{"params": encoder, "relative": recipe.encoder_rate}, {"params": rest, "relative": 1.0}],
            lr=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
        )
        self.step, self.seconds = 0, 0.0

    def average_now(self) -> None:
        """Let the moving average begin at the network's present weights."""
        self.averaged.load_state_dict(self.network.state_dict())

    def advance(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Learn from one batch. Returns the losses (4,) and the logits (B, 4, n, n), detached."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["relative"] * self.recipe.learning_rate_at(self.step)
        self.network.train()
        fix_statistics(self.network.encoder)
        images = batch.images.to(self.device, memory_format=torch.channels_last)
        targets = batch.targets.to(self.device)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.device.type == "cuda"):
            logits = self.network(images)
        losses = output_losses(logits, targets)
        total = (losses * torch.tensor([WEIGHTS[name] for name in OUTPUTS], device=self.device)).sum()
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT)
        self.optimizer.step()
        self._average()
        self.step += 1
        return losses.detach(), logits.detach()

    @torch.no_grad()
    def _average(self) -> None:
        """Move the average towards the network: slowly later, at once in the first steps."""
        decay = min(self.recipe.averaging, (1 + self.step) / (10 + self.step))
        for mean, value in zip(self.averaged.state_dict().values(), self.network.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)

    def save(self, path: Path) -> None:
        """Write the state; ``path`` holds the old one or all of the new one, never a part."""
        state = {
            "network_settings": self.recipe.fingerprint(),
            "step": self.step,
            "seconds": self.seconds,
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        partial = path.with_name(f".{path.name}.part")
        torch.save(state, partial)
        partial.replace(path)

    def restore(self, path: Path) -> None:
        """Continue from a saved state.

        Raises CheckpointError when the file is missing or damaged, ConfigError when it belongs to a network of another
        shape.
        """
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
        except FileNotFoundError:
            raise CheckpointError(f"{path}: no run to resume; leave out --resume, or name its folder") from None
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise CheckpointError(f"{path}: damaged ({reason}); begin again in another folder") from error
        if not isinstance(state, dict) or state.get("network_settings") != self.recipe.fingerprint():
            raise ConfigError(f"{path}: of a network of another shape; resume with its recipe, or use another folder")
        self.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]


def fix_statistics(module: nn.Module) -> None:
    """Let batch norms normalise by the statistics that they hold: those of a few crops would be too uncertain."""
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eval()


def train(
    training: Training,
    coming: Iterable[Batch],
    sources: tuple[str, ...],
    save: Callable[[], None],
    report: Callable[[TrainingReport], None],
    minutes: float | None = None,
) -> None:
    """Learn from each batch until they end or the budget of ``minutes`` is up; ``training`` is advanced in place.

    Batches come from the training's step on; ``sources`` names what ``Batch.sources`` counts. ``save`` is called every
    few minutes and at the end, ``report`` every ``report_steps`` steps and at the end.
    """
    recipe, tally = training.recipe, _Tally(sources, training.device)
    begun = saved = last = time.monotonic()
    for batch in coming:
        tally.add(batch, *training.advance(batch))
        now = time.monotonic()
        training.seconds, last = training.seconds + now - last, now
        over = minutes is not None and now - begun >= 60 * minutes
        if over or training.step % recipe.report_steps == 0 or training.step == recipe.steps:
            report(tally.close(training))
        if now - saved >= 60 * recipe.checkpoint_minutes:
            save()
            saved = now
        if over:
            break
    save()


class _Tally:
    """Losses and pixels since the last report."""

    def __init__(self, sources: tuple[str, ...], device: torch.device) -> None:
        self._sources, self._device = sources, device
        self._clear()

    def _clear(self) -> None:
        self._cells = torch.zeros(len(self._sources), len(OUTPUTS), 3, dtype=torch.float64, device=self._device)
        self._losses = torch.zeros(len(OUTPUTS), dtype=torch.float64, device=self._device)
        self._steps = 0

    def add(self, batch: Batch, losses: Tensor, logits: Tensor) -> None:
        """Count one step."""
        targets, sources = batch.targets.to(logits.device), batch.sources.to(logits.device)
        self._cells += confusion(logits, targets, sources, len(self._sources))
        self._losses += losses
        self._steps += 1

    def close(self, training: Training) -> TrainingReport:
        """Sum up, and start counting again."""
        hit, wrong, missed = self._cells.cpu().unbind(dim=-1)
        dice = 2 * hit / (2 * hit + wrong + missed).clamp_min(1)
        there = (hit + missed) > 0
        by_output: dict[str, dict[str, float]] = {
            output: {
                source: round(float(dice[row, column]), 4)
                for row, source in enumerate(self._sources)
                if there[row, column]
            }
            for column, output in enumerate(OUTPUTS)
        }
        means = (self._losses / self._steps).tolist()
        self._clear()
        losses: dict[str, float] = dict(zip(OUTPUTS, means, strict=True))
        return TrainingReport(training.step, training.seconds, losses, by_output)

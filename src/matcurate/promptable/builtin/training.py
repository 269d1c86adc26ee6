"""Training of the built-in network: one step, the whole state, and the loop that saves it."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from matcurate.errors import CheckpointError, ConfigError
from matcurate.promptable.builtin.losses import balanced_accuracy, balanced_bce, confusion
from matcurate.promptable.builtin.network import UNet, standardised
from matcurate.promptable.builtin.quality import Judge
from matcurate.promptable.builtin.recipe import Recipe
from matcurate.promptable.builtin.stream import Batch, Pictures, batches
from matcurate.promptable.builtin.weights import save_weights

CHECKPOINT = "checkpoint.pt"
WEIGHTS = "weights.safetensors"


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """How a run stands.

    Parameters
    ----------
    step : int
        Steps done since the beginning, over all resumed runs.
    seconds : float
        Spent on them.
    loss : float
        Mean since the last report.
    accuracy : mapping of str to mapping of str to float
        Balanced accuracy since the last report by head and source; absent where there was only one class.
    """

    step: int
    seconds: float
    loss: float
    accuracy: Mapping[str, Mapping[str, float]]


class Training:
    """Network, its moving average, optimiser and step: all that a resumed run needs besides recipe and seed.

    Nothing here draws random numbers after the start, and the stream draws by step, so no generator is kept.

    Parameters
    ----------
    recipe : Recipe
        What is learned.
    seed : int
        Of the first weights and of the stream.
    device : str
        torch device.
    """

    def __init__(self, recipe: Recipe, seed: int, device: str = "cpu") -> None:
        self.recipe = recipe
        self.seed = seed
        self.device = torch.device(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = UNet(recipe.network).to(self.device).to(memory_format=torch.channels_last)
        self.averaged = deepcopy(self.network).eval()
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self.start = ""  # digest of the weights that the run began with
        self.step = 0
        self.seconds = 0.0

    def start_from(self, weights: UNet, digest: str) -> None:
        """Take over the layers of another network, and of its heads those of the same name; remember its digest.

        Raises
        ------
        ConfigError
            When its levels or its normalisation are others.
        """
        mine, theirs = self.recipe.network, weights.settings
        if (mine.widths, mine.norm) != (theirs.widths, theirs.norm):
            raise ConfigError(
                f"weights of widths {theirs.widths} and {theirs.norm} norm do not fit the recipe {self.recipe.name}; "
                "start from others, or change the recipe's network"
            )
        state = {name: value for name, value in weights.state_dict().items() if not name.startswith("heads.")}
        self.network.load_state_dict(state, strict=False)
        with torch.no_grad():
            for index, head in enumerate(mine.heads):
                if head in theirs.heads:
                    old = theirs.heads.index(head)
                    self.network.heads.weight[index] = weights.heads.weight[old]
                    self.network.heads.bias[index] = weights.heads.bias[old]  # type: ignore[index]
        self.averaged.load_state_dict(self.network.state_dict())
        self.start = digest

    def advance(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Learn from one batch. Returns its loss () and its logits (B, heads, n, n), both detached."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate_at(self.step)
        self.network.train()
        images, targets = standardised(batch.images).to(self.device), batch.targets.to(self.device)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.device.type == "cuda"):
            logits = self.network(images)
        loss = torch.zeros((), device=self.device)
        for index, head in enumerate(self.recipe.network.heads):
            loss = loss + self.recipe.weight_of(head) * balanced_bce(logits[:, index], targets[:, index])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self._average()
        self.step += 1
        return loss.detach(), logits.detach()

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
            "recipe": self.recipe.fingerprint(),
            "seed": self.seed,
            "start": self.start,
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
        """Take up a saved state.

        Raises
        ------
        CheckpointError
            When the file is missing or damaged.
        ConfigError
            When it belongs to another recipe or seed.
        """
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
        except FileNotFoundError:
            raise CheckpointError(f"{path}: no run to resume; leave out --resume, or name its folder") from None
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise CheckpointError(f"{path}: damaged ({reason}); begin again in another folder") from error
        if (state["recipe"], state["seed"]) != (self.recipe.fingerprint(), self.seed):
            raise ConfigError(f"{path}: of another recipe or seed; resume with that one, or choose another folder")
        self.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.start, self.step, self.seconds = state["start"], state["step"], state["seconds"]


def train(
    training: Training,
    pictures: Pictures,
    out: Path,
    card: Mapping[str, str],
    report: Callable[[TrainingReport], None],
    minutes: float | None = None,
) -> None:
    """Train to the recipe's last step or until the time is up, saving state and weights every few minutes.

    Parameters
    ----------
    training : Training
        New, or restored; advanced in place.
    pictures : Pictures
        Where the crops are cut from.
    out : Path
        Folder of ``checkpoint.pt`` and ``weights.safetensors``; must exist.
    card : mapping of str to str
        Kept with the weights, with ``steps`` and ``minutes`` added.
    report : callable
        Told every ``report_steps`` steps, and at the end.
    minutes : float, optional
        Budget of this run.
    """
    recipe = training.recipe
    tally = _Tally(training, pictures.sources)
    begun = last_saved = last_step = time.monotonic()
    coming = batches(pictures, recipe, training.seed, training.step) if training.step < recipe.steps else ()
    for batch in coming:
        tally.add(batch, *training.advance(batch))
        now = time.monotonic()
        training.seconds, last_step = training.seconds + now - last_step, now
        over = minutes is not None and now - begun >= 60 * minutes
        if over or training.step % recipe.report_steps == 0 or training.step == recipe.steps:
            report(tally.close())
        if now - last_saved >= 60 * recipe.checkpoint_minutes:
            _save(training, out, card)
            last_saved = now
        if over:
            break
    _save(training, out, card)


def save_run_weights(training: Training, judge: Judge | None, out: Path, card: Mapping[str, str]) -> None:
    """Write the averaged network, and what judges its regions where that is learned, to ``out``/weights.safetensors."""
    about = {**card, "steps": str(training.step), "minutes": f"{training.seconds / 60:.1f}"}
    save_weights(out / WEIGHTS, training.averaged, judge, about)


def _save(training: Training, out: Path, card: Mapping[str, str]) -> None:
    save_run_weights(training, None, out, card)
    training.save(out / CHECKPOINT)


class _Tally:
    """Loss and scores since the last report; on the device, so that a step does not wait for them."""

    def __init__(self, training: Training, sources: tuple[str, ...]) -> None:
        self._training = training
        self._sources = sources
        self._clear()

    def _clear(self) -> None:
        heads, device = len(self._training.recipe.network.heads), self._training.device
        self._counts = torch.zeros(heads, len(self._sources), 4, dtype=torch.float64, device=device)
        self._loss = torch.zeros((), dtype=torch.float64, device=device)
        self._steps = 0

    def add(self, batch: Batch, loss: Tensor, logits: Tensor) -> None:
        """Count one step."""
        targets, sources = batch.targets.to(logits.device), batch.sources.to(logits.device)
        for head in range(len(self._counts)):
            self._counts[head] += confusion(logits[:, head], targets[:, head], sources, len(self._sources))
        self._loss += loss
        self._steps += 1

    def close(self) -> TrainingReport:
        """Sum up, and begin anew."""
        training = self._training
        accuracy: dict[str, dict[str, float]] = {
            head: {
                source: value
                for source, row in zip(self._sources, rows, strict=True)
                if (value := balanced_accuracy(row)) is not None
            }
            for head, rows in zip(training.recipe.network.heads, self._counts.cpu(), strict=True)
        }
        done = TrainingReport(training.step, training.seconds, float(self._loss) / self._steps, accuracy)
        self._clear()
        return done

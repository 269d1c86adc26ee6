"""State of a training that a checkpoint keeps, so that a run that was killed can go on."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from matcurate.errors import ConfigError
from matcurate.phase.model import SegmentationModel
from matcurate.tensorfile import read_checkpoint, write_checkpoint


class Run:
    """All that a resumed run needs besides settings and seed; nothing random is kept, since steps draw by number."""

    def __init__(self, model: SegmentationModel, weight_decay: float, plm_rate: float, head_rate: float) -> None:
        self.model = model
        rated = model.rated_parameters(plm_rate, head_rate)
        groups = [{"params": parameters, "rate": rate} for parameters, rate in rated]
        self.optimizer = torch.optim.AdamW(groups, weight_decay=weight_decay)
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

    def ended(self, steps: int, patience: int) -> bool:
        """Whether all steps are done, or Dice has not improved for ``patience`` validations."""
        return self.stale >= patience or self.step >= steps

    def save(self, path: Path, fingerprint: str) -> None:
        """Write all of it; ``path`` holds the old file or all of the new one."""
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
        write_checkpoint(path, state)

    def restore(self, path: Path, fingerprint: str) -> None:
        """Take over what :meth:`save` wrote.

        Raises CheckpointError when it is damaged, ConfigError when it belongs to other settings or another seed.
        """
        device = next(self.model.parameters()).device
        state = read_checkpoint(path, device, "remove it, and train from the start")
        if state["fingerprint"] != fingerprint:
            raise ConfigError(f"{path}: of other settings or another seed; resume with those, or choose another folder")
        self.model.load_learned_state(state["learned"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.best, self.best_step, self.best_dice = state["best"], state["best_step"], state["best_dice"]
        self.stale = state["stale"]

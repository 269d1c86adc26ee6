"""One file for one trained region segmenter, and how it grows by a class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from matcurate.config import ModelFamilyName
from matcurate.errors import CheckpointError
from matcurate.learned.regions.model import NetworkSettings, RegionModel
from matcurate.phase.storage import ModelCard, save_weights
from matcurate.promptable.protocol import Backbone
from matcurate.tensorfile import AGAIN, TensorFormat

WEIGHT, BIAS = "head.weight", "head.bias"


class RegionCard(ModelCard):
    """Header of a file of a region segmenter."""

    settings: NetworkSettings


FORMAT = TensorFormat("matcurate-regions-1", RegionCard, "a region segmenter of this project")


@dataclass(frozen=True, slots=True, eq=False)
class RegionWeights:
    """A region segmenter as read from its file, checked: its card, and all its tensors on the CPU."""

    family: ClassVar[ModelFamilyName] = "regions"
    card: RegionCard
    tensors: Mapping[str, Tensor]

    def fits(self, backbone: Backbone) -> bool:
        """Always: it holds all its weights."""
        return True

    def model(self, backbone: Backbone | None = None) -> RegionModel:
        """Build the trained model, in evaluation mode; raises CheckpointError when the tensors do not fit."""
        model = RegionModel(len(self.card.phases), self.card.settings)
        try:
            model.load_learned_state(dict(self.tensors))
        except (KeyError, ValueError) as error:
            raise CheckpointError(f"the tensors do not fit the settings ({error.args[0]}); {AGAIN}") from error
        return model.to(memory_format=torch.channels_last).eval()

    def start_for(self, phases: tuple[str, ...], seed: int) -> Mapping[str, Tensor] | None:
        """Weights that a training on these phases may begin with: its own, or grown by new classes at the end.

        None when a phase was left out, renamed or moved.
        """
        old = self.card.phases
        if phases[: len(old)] != old:
            return None
        return grown_state(self.tensors, len(phases), torch.Generator().manual_seed(seed))


def grown_state(state: Mapping[str, Tensor], classes: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Learned state with outputs appended up to ``classes``; every other tensor, and the old rows, stay as they are.

    New rows are normal with the standard deviation of the present ones; their bias is the smallest there is.
    Section 2.4 of the evidential framework. Raises ValueError when there are more outputs already.
    """
    weight, bias = state[WEIGHT], state[BIAS]
    more = classes - len(bias)
    if more < 0:
        raise ValueError(f"{len(bias)} outputs cannot become {classes}; outputs are only appended")
    drawn = torch.randn((more, *weight.shape[1:]), generator=generator) * float(weight.std())
    rows = torch.cat([weight, drawn.to(weight)])
    return {**state, WEIGHT: rows, BIAS: torch.cat([bias, bias.min().expand(more)])}


save_regions = partial(save_weights, FORMAT)
"""Write all weights: :func:`~matcurate.phase.storage.save_weights` without its first argument."""


def load_regions(path: Path) -> RegionWeights:
    """Read what :func:`save_regions` wrote; errors as of :meth:`TensorFormat.read`."""
    return RegionWeights(*FORMAT.read(path))

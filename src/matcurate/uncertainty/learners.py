"""Start and training of a head on embeddings, and of a network on crops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from matcurate.config import NetworkName
from matcurate.types import FloatArray
from matcurate.uncertainty.head import EvidentialHead, HeadSettings, begin_head
from matcurate.uncertainty.network import PatchNetwork, begin_network, seeded
from matcurate.uncertainty.patch_model import PatchModel
from matcurate.uncertainty.trainer import HeadTraining, train_head
from matcurate.uncertainty.whitening import Labels

Objective = Literal["evidence", "softmax"]


class PatchLearner(Protocol):
    """Start and training of a kind of model."""

    @property
    def fewest(self) -> int:
        """Classes that it takes to learn anything."""

    def begin(
        self, classes: Sequence[str], samples: FloatArray, labels: Labels, rng: np.random.Generator
    ) -> PatchModel:
        """A model before training, of samples (N, …) of K classes, which labels (N,) number.

        Raises ValueError when lengths differ, a sample is not finite, there is no class, or a class has no sample.
        """

    def train(self, model: PatchModel, samples: FloatArray, labels: Labels, rng: np.random.Generator) -> None:
        """Train it in place on samples of all its classes. Raises TrainingError when the loss is not finite."""

    def by(self, objective: Objective) -> PatchLearner:
        """The same with another loss."""


@dataclass(frozen=True, slots=True)
class HeadLearner:
    """A head on embeddings (N, D): see :func:`~matcurate.uncertainty.head.begin_head`."""

    settings: HeadSettings = HeadSettings()  # noqa: RUF009 - frozen
    training: HeadTraining = HeadTraining()  # noqa: RUF009 - frozen

    @property
    def fewest(self) -> int:
        """One: evidence falls with the distance from it."""
        return 1

    def begin(
        self, classes: Sequence[str], samples: FloatArray, labels: Labels, rng: np.random.Generator
    ) -> EvidentialHead:
        """A head in closed form; nothing of it is drawn."""
        return begin_head(classes, samples, labels, self.settings)

    def train(self, model: PatchModel, samples: FloatArray, labels: Labels, rng: np.random.Generator) -> None:
        """Train it."""
        train_head(model, samples, labels, self.training, rng=rng)

    def by(self, objective: Objective) -> HeadLearner:
        """The same with another loss."""
        return replace(self, training=self.training.model_copy(update={"objective": objective}))


@dataclass(frozen=True, slots=True, eq=False)
class NetworkLearner:
    """A whole network on crops (N, h, w): see :func:`~matcurate.uncertainty.network.begin_network`.

    ``start`` holds the classifier's weights to begin with, None draws them at random; the default device is the CPU.
    """

    name: NetworkName
    start: Mapping[str, Tensor] | None
    training: HeadTraining
    device: torch.device | None = None

    @property
    def fewest(self) -> int:
        """Two: a linear layer learns only what tells classes apart."""
        return 2

    def begin(
        self, classes: Sequence[str], samples: FloatArray, labels: Labels, rng: np.random.Generator
    ) -> PatchNetwork:
        """A network with these weights that gives every crop the same evidence for each class."""
        return begin_network(self.name, classes, samples, self.start, rng=rng, device=self.device)

    def train(self, model: PatchModel, samples: FloatArray, labels: Labels, rng: np.random.Generator) -> None:
        """Train all of it that learns; then batch normalisation takes the statistics of all crops."""
        with seeded(rng, self.device):
            train_head(model, samples, labels, self.training, rng=rng)
        if isinstance(model, PatchNetwork) and any(parameter.requires_grad for parameter in model.body.parameters()):
            model.body.settle(samples)

    def by(self, objective: Objective) -> NetworkLearner:
        """The same with another loss."""
        return replace(self, training=self.training.model_copy(update={"objective": objective}))

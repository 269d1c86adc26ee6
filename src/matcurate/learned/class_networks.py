"""Networks that are fine-tuned whole on microstructure classes: their input and their start weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from matcurate.config import NetworkName, NetworkSettings
from matcurate.errors import CheckpointError
from matcurate.imaging.proxy import to_float
from matcurate.promptable.devices import resolve_device
from matcurate.promptable.registry import checkpoint_store
from matcurate.tensorfile import read_state
from matcurate.types import Pixels
from matcurate.uncertainty.learners import NetworkLearner
from matcurate.uncertainty.network import ARCHITECTURES
from matcurate.uncertainty.trainer import HeadTraining

VERSION = 1
IMAGENET, RANDOM = "imagenet", "none"


class GreyCrops:
    """Crops as a network takes them: in place of embeddings, grey values in [0, 1]."""

    def __init__(self, network: NetworkName) -> None:
        self.network = network

    @property
    def digest(self) -> str:
        """Hex SHA-256 over the architecture and the way of making grey values."""
        return hashlib.sha256(f"grey crops {VERSION} {self.network}".encode()).hexdigest()

    def __call__(self, crops: Pixels) -> NDArray[np.float32]:
        """Grey values (N, h, w) of crops (N, h, w) of one image."""
        return to_float(crops)


def network_learner(
    name: NetworkName, settings: NetworkSettings, cache_dir: Path, device: str | None = None
) -> NetworkLearner:
    """Learner with start weights and training of a network; ``device`` None takes a GPU when there is one.

    Raises CheckpointError when the weights to begin with are not in the checkpoint store, or damaged.
    """
    training = HeadTraining(epochs=settings.epochs, batch=settings.batch, learning_rate=settings.learning_rate)
    return NetworkLearner(name, _start(name, settings.weights, cache_dir), training, resolve_device(device))


def least_edge(name: NetworkName) -> int:
    """Least edge of a crop in pixels."""
    return ARCHITECTURES[name].least


def _start(name: NetworkName, weights: str, cache_dir: Path) -> Mapping[str, Tensor] | None:
    if weights == RANDOM:
        return None
    what = f"a checkpoint of {name}"
    if weights != IMAGENET:
        return read_state(
            Path(weights), what, "set classes.network.weights to another file, to 'imagenet' or to 'none'"
        )
    store = checkpoint_store(cache_dir)
    if not store.has(name):
        raise CheckpointError(
            f"{name!r} is not in the checkpoint store; run 'curate checkpoints pull {name}', or set "
            "classes.network.weights to a file of its weights or to 'none' (drawn at random)"
        )
    return read_state(store.verified(name), what, f"run 'curate checkpoints pull {name}' to replace it")

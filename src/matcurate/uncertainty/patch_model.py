"""What everything that tells microstructure classes apart has in common, whatever it looks at.

The head looks at embeddings (N, D) of crops, a network at the crops (N, h, w) themselves; both are *samples* here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from matcurate.types import FloatArray
from matcurate.uncertainty.loss import dirichlet_parameters
from matcurate.uncertainty.trainer import Trainable


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What a model makes of samples.

    ``logits``: float64 array (N, K), unlike evidence they tell apart classes that are both far away; ``alpha``: float64
    array (N, K), dirichlet parameters, at least 1; ``places``: float32 array (N, d), where they lie: what is alike lies
    close together.
    """

    logits: NDArray[np.float64]
    alpha: NDArray[np.float64]
    places: NDArray[np.float32]


class PatchModel(Trainable, Protocol):
    """Tells classes apart by evidence, says how little it knows, and grows by a class."""

    def look(self, samples: FloatArray) -> Look:
        """What it makes of samples (N, …)."""

    def outputs(self) -> tuple[nn.Parameter, ...]:
        """What learns and has one row for each class."""

    def parameters_of(self, samples: FloatArray) -> NDArray[np.float64]:
        """Dirichlet parameters α (N, K) of samples (N, …)."""

    def extended(self, name: str, samples: FloatArray) -> Self:
        """One output more, for the class that samples (N, …) show; all other weights bit for bit."""

    def without(self, name: str) -> Self:
        """One output less; all other weights bit for bit."""


def others(classes: Sequence[str], name: str) -> list[int]:
    """Numbers of all classes but one.

    Raises ValueError when there is no such class, or no other.
    """
    if name not in classes or len(classes) == 1:
        raise ValueError(f"cannot take class {name!r} out of {list(classes)}")
    return [number for number, each in enumerate(classes) if each != name]


def look_at(logits: Tensor, places: Tensor, bound: float) -> Look:
    """Logits (N, K) and places (N, d) as arrays, with the evidence that lies in them."""
    found = logits.double().cpu()
    return Look(np.asarray(found.numpy()), np.asarray(dirichlet_parameters(found, bound).numpy()), places.cpu().numpy())

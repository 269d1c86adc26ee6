"""Base of all classifiers of microstructure classes.

A head takes embeddings (N, D) of crops, a network the crops (N, h, w) themselves; both are *samples* here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from matcurate.types import FloatArray
from matcurate.uncertainty.loss import dirichlet_parameters
from matcurate.uncertainty.trainer import EvidenceModel


@dataclass(frozen=True, slots=True, eq=False)
class PatchOutput:
    """Output of a model for samples.

    ``logits`` (N, K), float64, tell apart even classes that are both far away, unlike evidence; ``alpha`` (N, K),
    float64, are Dirichlet parameters, at least 1; ``features`` (N, d), float32, lie close together for similar samples.
    """

    logits: NDArray[np.float64]
    alpha: NDArray[np.float64]
    features: NDArray[np.float32]


class PatchModel(EvidenceModel):
    """Tells classes apart by evidence, says how little it knows, and grows by a class."""

    @abstractmethod
    def infer(self, samples: FloatArray) -> PatchOutput:
        """Compute logits, Dirichlet parameters and features of samples (N, …)."""

    @abstractmethod
    def outputs(self) -> tuple[nn.Parameter, ...]:
        """Parameters with one row for each class."""

    def parameters_of(self, samples: FloatArray) -> NDArray[np.float64]:
        """Dirichlet parameters α (N, K) of samples (N, …)."""
        return self.infer(samples).alpha

    @abstractmethod
    def extended(self, name: str, samples: FloatArray) -> PatchModel:
        """Add an output for the class that samples (N, …) show; all other weights stay bit for bit.

        Raises ValueError when the name is taken or there is no sample.
        """

    @abstractmethod
    def without(self, name: str) -> PatchModel:
        """Remove an output; all other weights stay bit for bit. Raises ValueError for an unknown or the only class."""


def others(classes: Sequence[str], name: str) -> list[int]:
    """Numbers of all classes but one. Raises ValueError when there is no such class, or no other."""
    if name not in classes or len(classes) == 1:
        raise ValueError(f"cannot take class {name!r} out of {list(classes)}")
    return [number for number, each in enumerate(classes) if each != name]


def patch_output(logits: Tensor, features: Tensor, bound: float) -> PatchOutput:
    """Logits (N, K) and features (N, d) as arrays, with the evidence that lies in them."""
    exact = logits.double().cpu()
    return PatchOutput(
        np.asarray(exact.numpy()), np.asarray(dirichlet_parameters(exact, bound).numpy()), features.cpu().numpy()
    )

"""The unlabelled pool as arrays, checked once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from matcurate.acquisition.scores import Scores, bald, entropy, margin
from matcurate.errors import ConfigError
from matcurate.types import FloatArray

Indices = NDArray[np.int64]
"""Indices into the pool (k,), the first to be shown first, none twice."""
TOLERANCE = 1e-3
"""Largest deviation of a sum of probabilities from 1."""
DERIVED: Mapping[str, tuple[str, Callable[[FloatArray], Scores]]] = {
    "entropy": ("probabilities", entropy),
    "margin": ("probabilities", margin),
    "bald": ("draws", bald),
}
"""Scores that follow from an array of the pool where no model has given them."""


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """N candidates. What a strategy does not need may be left out.

    ``embeddings`` (N, D): near-duplicates lie close together. ``scores`` (N,) each, not negative, are a model's for a
    candidate as a whole: "vacuity", and for images the means over the pixels of "entropy", "margin" and "bald".
    ``probabilities`` (N, K) of classes, each row summing to 1, and those of T passes with dropout, ``draws`` (T, N, K),
    give these scores where they are missing. ``fractions`` (N, P) are predicted area fractions of the phases, for
    rarity; ``specimens`` (N,) numbers, for quotas; ``labelled`` (M, D) embeddings of what the expert has seen already.

    Raises ValueError when a number is not finite, shapes do not fit, or rows are no probabilities.
    """

    embeddings: FloatArray
    scores: Mapping[str, FloatArray] = field(default_factory=dict)
    probabilities: FloatArray | None = None
    draws: FloatArray | None = None
    fractions: FloatArray | None = None
    specimens: NDArray[np.integer] | None = None
    labelled: FloatArray | None = None

    def __post_init__(self) -> None:
        if self.embeddings.ndim != 2:
            raise ValueError(f"embeddings must be (N, D), got shape {self.embeddings.shape}")
        count, width = self.embeddings.shape
        expected = {
            "embeddings": (count, width),
            "probabilities": (count, None),
            "draws": (None, count, None),
            "fractions": (count, None),
            "specimens": (count,),
            "labelled": (None, width),
        }
        for name, shape in expected.items():
            values = getattr(self, name)
            if values is not None:
                _check(name, values, shape)
        for name, values in self.scores.items():
            _check(name, values, (count,))
            if values.min(initial=0) < 0:
                raise ValueError(f"scores {name!r} must not be negative")
        for name in ("probabilities", "draws"):
            rows = getattr(self, name)
            if rows is not None and (
                rows.min(initial=0) < 0 or np.abs(rows.sum(axis=-1) - 1).max(initial=0) > TOLERANCE
            ):
                raise ValueError(f"{name} must not be negative and must sum to 1")

    def __len__(self) -> int:
        return len(self.embeddings)

    def part(self, places: Indices, seen: Sequence[int] = ()) -> Pool:
        """The candidates at ``places``, with those at ``seen`` counted as labelled."""
        covered = [] if self.labelled is None else [self.labelled]
        labelled = np.concatenate([*covered, self.embeddings[list(seen)]]) if len(seen) else self.labelled
        return Pool(
            self.embeddings[places],
            scores={name: values[places] for name, values in self.scores.items()},
            probabilities=None if self.probabilities is None else self.probabilities[places],
            draws=None if self.draws is None else self.draws[:, places],
            fractions=None if self.fractions is None else self.fractions[places],
            specimens=None if self.specimens is None else self.specimens[places],
            labelled=labelled,
        )

    def score(self, name: str, strategy: str) -> Scores:
        """Scores (N,) of this name, or what follows from probabilities or draws; ConfigError when there is neither."""
        if name in DERIVED and name not in self.scores:
            source, derive = DERIVED[name]
            return derive(self.needed(source, strategy))
        return self.needed(name, strategy).astype(np.float64)

    def needed(self, name: str, strategy: str) -> FloatArray:
        """The array or the scores of this name; ConfigError when the pool has none."""
        values: FloatArray | None = self.scores.get(name, getattr(self, name, None))
        if values is None:
            raise ConfigError(f"strategy {strategy!r} needs {name} of the pool; choose another, or a model that has it")
        return values


def _check(name: str, values: NDArray[np.generic], shape: tuple[int | None, ...]) -> None:
    fits = values.ndim == len(shape) and all(w in (None, h) for h, w in zip(values.shape, shape, strict=True))
    if not fits:
        raise ValueError(f"{name} has shape {values.shape}, which does not fit the pool")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite")

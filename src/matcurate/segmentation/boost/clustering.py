"""Embeddings to materials: features in comparable units, k-means, and an estimate of the number of clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from matcurate.types import BoolMask, FloatArray

Labels = NDArray[np.int64]

STARTS = 10
"""Number of starts of k-means."""
WORTH = 0.3
"""Share of the scatter's scale; the best of those tried on generated layers (docs/methods/boost.md)."""


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """Features in units of what they vary by within a region: a feature counts where regions differ more than crops.

    ``centre`` and ``unit`` (C,).
    """

    centre: FloatArray
    unit: FloatArray

    @classmethod
    def of(cls, embeddings: FloatArray, regions: Labels, trusted: BoolMask) -> Scaling:
        """Scaling of crops (N, C) of ``regions`` (N,); only those of ``trusted`` (N,) lie in one mask each."""
        spread = embeddings.std(axis=0)
        within = np.zeros_like(spread)
        if trusted.any():
            _, members = np.unique(regions[trusted], return_inverse=True)
            within = _within(embeddings[trusted], members)
        unit = np.maximum(within, LEAST_SPREAD * spread) if trusted.any() else spread
        return cls(embeddings.mean(axis=0), np.where(unit > 0, unit, 1.0))

    def __call__(self, embeddings: FloatArray) -> FloatArray:
        """Scale embeddings (..., C)."""
        return np.asarray((embeddings - self.centre) / self.unit)


def _within(embeddings: FloatArray, members: Labels) -> FloatArray:
    """Median (C,) over the groups (N,) of the standard deviation of their embeddings (N, C): few are composite."""
    groups = [embeddings[members == group].std(axis=0) for group in np.unique(members)]
    return np.asarray(np.median(groups, axis=0))


LEAST_SPREAD = 0.1
"""A feature's unit is at least this share of its whole spread, so that a constant one does not outweigh all others."""


def cluster(
    embeddings: FloatArray, materials: int, rng: np.random.Generator, weights: FloatArray | None = None
) -> KMeans:
    """K-means of scaled embeddings (N, C), weighted by ``weights`` (N,); at most one cluster a distinct embedding."""
    distinct = len(np.unique(embeddings, axis=0))
    seed = int(rng.integers(2**31))
    return KMeans(n_clusters=min(materials, distinct), n_init=STARTS, random_state=seed).fit(
        embeddings, sample_weight=weights
    )


def estimate_count(
    embeddings: FloatArray, largest: int, rng: np.random.Generator, weights: FloatArray | None = None
) -> int:
    """Number of materials in 1 … ``largest`` of scaled embeddings (N, C): the first after which no cluster pays off.

    A cluster pays off when it removes more than ``WORTH`` of the scale of the scatter, which is the geometric mean of
    the whole scatter and of what ``largest + 1`` clusters leave: the first alone would miss the last of many materials,
    the second alone would split noise. ``weights`` (N,) are such as the areas that embeddings stand for.
    """
    distinct = len(np.unique(embeddings, axis=0))
    counts = range(1, min(largest + 1, distinct) + 1)
    scatter = [float(cluster(embeddings, count, rng, weights).inertia_) for count in counts]
    least = WORTH * float(np.sqrt(scatter[0] * scatter[-1]))
    gains = -np.diff(scatter)
    poor = np.flatnonzero(gains <= least)
    return min(int(poor[0]) + 1 if len(poor) else len(scatter), largest)

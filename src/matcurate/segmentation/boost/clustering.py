"""Embeddings to materials: k-means, its number estimated when not told, and the majority vote of each region.

References
----------
P. J. Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster analysis", Journal of
Computational and Applied Mathematics 20 (1987).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from matcurate.types import BoolMask, FloatArray

Labels = NDArray[np.int64]

STARTS = 10
"""Times that k-means is begun anew."""
STRUCTURE = 0.25
"""Mean silhouette up to which there is "no substantial structure" (Kaufman and Rousseeuw 1990), hence one material."""
SAMPLE = 2000
"""Embeddings that silhouettes are averaged over at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """Features in units of what they vary by within a region: a feature counts where regions differ more than crops.

    ``centre`` and ``unit`` (C,).
    """

    centre: FloatArray
    unit: FloatArray

    @classmethod
    def of(cls, embeddings: FloatArray, regions: Labels, trusted: BoolMask) -> Scaling:
        """Scaling of crops (N, C) that belong to ``regions`` (N,); only those of ``trusted`` (N,) lie in one mask."""
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
    """Median (C,) over the groups (N,) of the standard deviation of their embeddings (N, C): few may be composite."""
    groups = [embeddings[members == group].std(axis=0) for group in np.unique(members)]
    return np.asarray(np.median(groups, axis=0))


LEAST_SPREAD = 0.1
"""A feature's unit is at least this share of its whole spread, so that a steady one does not outweigh all others."""


def cluster(
    embeddings: FloatArray, materials: int, rng: np.random.Generator, weights: FloatArray | None = None
) -> KMeans:
    """K-means of scaled embeddings (N, C), weighted by ``weights`` (N,).

    There are fewer clusters than asked where there are fewer distinct embeddings.
    """
    distinct = len(np.unique(embeddings, axis=0))
    seed = int(rng.integers(2**31))
    return KMeans(n_clusters=min(materials, distinct), n_init=STARTS, random_state=seed).fit(
        embeddings, sample_weight=weights
    )


def estimate_count(embeddings: FloatArray, largest: int, rng: np.random.Generator) -> int:
    """Number of materials in 1 … ``largest`` with the largest mean silhouette; 1 when none exceeds ``STRUCTURE``."""
    distinct = len(np.unique(embeddings, axis=0))
    best, height = 1, STRUCTURE
    for count in range(2, min(largest, distinct - 1) + 1):
        labels = cluster(embeddings, count, rng).labels_
        size = min(SAMPLE, len(embeddings))
        score = float(silhouette_score(embeddings, labels, sample_size=size, random_state=int(rng.integers(2**31))))
        if score > height:
            best, height = count, score
    return best

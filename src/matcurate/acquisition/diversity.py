"""Candidates that differ from each other, and from what has been labelled.

References
----------
O. Sener, S. Savarese, "Active learning for convolutional neural networks: a core-set approach", ICLR (2018): k-center.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from sklearn.cluster import KMeans

from matcurate.acquisition.pool import Indices
from matcurate.types import FloatArray

NEAR = 0.2
"""Candidates are near-duplicates closer than this share of the pool's typical distance."""


def typical_distance(embeddings: FloatArray) -> float:
    """Root mean square distance between two of (N, D)."""
    return float(np.sqrt(2 * embeddings.astype(np.float64).var(axis=0).sum()))


def near_duplicates(embeddings: FloatArray, near: float = NEAR) -> NDArray[np.int64]:
    """Group (N,) of each candidate (N, D): the index of its first member, at most ``near`` typical distances away.

    Members lie that close to the first one, not in a chain, so that a slow drift is not one group.
    """
    points, reach = embeddings.astype(np.float64), near * typical_distance(embeddings)
    groups = np.full(len(points), -1, dtype=np.int64)
    tree = cKDTree(points)
    for place in range(len(points)):
        if groups[place] < 0:
            close = np.asarray(tree.query_ball_point(points[place], reach), dtype=np.int64)
            groups[close[groups[close] < 0]] = place
    return groups


def k_center(
    embeddings: FloatArray,
    count: int,
    rng: np.random.Generator,
    *,
    labelled: FloatArray | None = None,
    first: int | None = None,
) -> Indices:
    """Greedy k-center: repeatedly the candidate (N, D) that lies farthest from all that are chosen or labelled (M, D).

    ``count`` is at most N; ``first`` is the candidate to begin with. The generator breaks ties, and draws the first
    where nothing is labelled.
    """
    points = embeddings.astype(np.float64)
    order = rng.permutation(len(points))
    points = points[order]
    distance = np.full(len(points), np.inf)
    if labelled is not None and len(labelled):
        distance = cKDTree(labelled.astype(np.float64)).query(points)[0]
    free = np.ones(len(points), dtype=np.bool_)
    chosen: list[int] = []
    for _ in range(count):
        begins = not chosen and first is not None
        best = int(np.flatnonzero(order == first)[0]) if begins else int(np.argmax(np.where(free, distance, -1.0)))
        chosen.append(best)
        free[best] = False
        distance = np.minimum(distance, np.sqrt(((points - points[best]) ** 2).sum(axis=1)))
    return order[np.array(chosen, dtype=np.int64)]


def clustered(embeddings: FloatArray, weights: NDArray[np.float64], count: int, rng: np.random.Generator) -> Indices:
    """The candidate of the largest weight in each of ``count`` k-means clusters of (N, D), the largest weight first.

    Where clusters are empty, as among equal candidates, the largest weights that are left follow.
    """
    groups = KMeans(count, n_init=1, random_state=int(rng.integers(2**31))).fit_predict(embeddings.astype(np.float64))
    order = rng.permutation(len(weights))
    order = order[np.argsort(-weights[order], kind="stable")]
    _, first = np.unique(groups[order], return_index=True)
    leading = np.sort(first)
    rest = np.setdiff1d(np.arange(len(order)), leading)
    return np.asarray(order[np.concatenate([leading, rest])[:count]], dtype=np.int64)

"""Which objects touch, and how far the next one is."""

import numpy as np
from scipy.spatial import cKDTree

from matcurate.morphology.numbering import Floats, Integers, LabelIds


def touching_pairs(compact: LabelIds) -> Integers:
    """Pairs (P, 2) of objects (H, W) that share an edge of a pixel, each once, the smaller id first, 0 left out."""
    pairs = []
    for first, second in ((compact[:, :-1], compact[:, 1:]), (compact[:-1], compact[1:])):
        edge = (first != second) & (first > 0) & (second > 0)
        one, other = first[edge].astype(np.int64), second[edge].astype(np.int64)
        pairs.append(np.minimum(one, other) << 32 | np.maximum(one, other))
    keys = np.unique(np.concatenate(pairs))
    return np.stack([keys >> 32, keys & 0xFFFFFFFF], axis=1)


def count_neighbours(compact: LabelIds, count: int) -> Integers:
    """Count the objects that each of the objects 1…count touches; (count,)."""
    return np.bincount(touching_pairs(compact).ravel(), minlength=count + 1)[1:].astype(np.int64)


def nearest_distances(x: Floats, y: Floats) -> Floats:
    """Distance of every centroid to the nearest other one; NaN for an object that is alone. x, y (N,), result (N,)."""
    if len(x) < 2:
        return np.full(len(x), np.nan)
    points = np.stack([x, y], axis=1)
    distances, _ = cKDTree(points).query(points, k=2)
    return np.asarray(distances[:, 1], dtype=np.float64)

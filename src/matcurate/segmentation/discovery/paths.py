"""Clusters of smoothed features for every number of regions, and what tells the right number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion
from sklearn.cluster import KMeans

from matcurate.types import BoolMask, FloatArray

LARGEST = 7
"""Regions tried."""
CALM = 0.7
"""Share of the places, those of lowest gradient, that clusters are learned from."""
SAMPLED = 6000
ERODED = 3
"""Places that a cluster loses along its border before its centre is taken again."""
LEAST_CORE = 12
"""Places of an eroded cluster below which its centre stays."""
STATISTICS = 8
"""Length of :attr:`Split.statistics`."""

Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """A field (h, w, d) in K clusters: ``labels`` (h, w), ``centres`` (K, d), and the mean squared distance to them.

    ``statistics`` are what :class:`~matcurate.segmentation.discovery.selector.Selector` weighs.
    """

    labels: Labels
    centres: FloatArray
    error: float
    statistics: NDArray[np.float64]

    @property
    def count(self) -> int:
        """Number K of clusters."""
        return len(self.centres)


def calm_places(field: FloatArray, share: float = CALM) -> BoolMask:
    """Places (h, w) of a field (h, w, d) with the lowest gradient: away from borders of textures."""
    slope = sum((np.gradient(field, axis=axis) ** 2).sum(axis=2) for axis in (0, 1))
    return np.asarray(slope <= np.quantile(slope, share))


def split_path(field: FloatArray, rng: np.random.Generator, largest: int = LARGEST) -> tuple[Split, ...]:
    """k-means of a smoothed field (h, w, d) for K = 1 … ``largest``."""
    points = field[calm_places(field)].astype(np.float64)
    points = points[rng.permutation(len(points))[:SAMPLED]]
    whole = np.zeros(field.shape[:2], dtype=np.int64)
    mean = points.mean(axis=0, keepdims=True)
    error = float(((points - mean) ** 2).sum(axis=1).mean())
    splits = [Split(whole, mean, error, np.zeros(STATISTICS))]
    for count in range(2, min(largest, len(points)) + 1):
        seed = int(rng.integers(2**31))
        centres = KMeans(count, n_init=3, random_state=seed).fit(points).cluster_centers_
        centres = _centres_of_cores(field, nearest(field, centres), centres)
        distance = ((points[:, None] - centres) ** 2).sum(axis=2).min(axis=1)
        splits.append(_with_statistics(field, centres, float(distance.mean()), splits))
    return tuple(splits)


def nearest(field: FloatArray, centres: FloatArray) -> Labels:
    """Index (h, w) of the nearest of centres (K, d) at each place of a field (h, w, d)."""
    best = np.full(field.shape[:2], np.inf)
    labels = np.zeros(field.shape[:2], dtype=np.int64)
    for number, centre in enumerate(centres):
        distance = ((field - centre.astype(field.dtype)) ** 2).sum(axis=2)
        closer = distance < best
        best[closer], labels[closer] = distance[closer], number
    return labels


def core(mask: BoolMask) -> BoolMask:
    """A cluster without the places along its border; beyond the frame it goes on."""
    return np.asarray(binary_erosion(mask, iterations=ERODED, border_value=1))


def _centres_of_cores(field: FloatArray, labels: Labels, centres: FloatArray) -> FloatArray:
    moved = centres.copy()
    for number in range(len(centres)):
        inside = core(labels == number)
        if inside.sum() >= LEAST_CORE:
            moved[number] = field[inside].mean(axis=0)
    return moved


def _with_statistics(field: FloatArray, centres: FloatArray, error: float, before: list[Split]) -> Split:
    """Statistics of a split in K: see the comments; logarithms, so that ratios count."""
    labels = nearest(field, centres)
    cores = [core(labels == number) for number in range(len(centres))]
    areas = np.array([inside.mean() for inside in cores])
    spreads = [
        np.cov(field[inside], rowvar=False) + 0.05 * np.eye(field.shape[2])
        if inside.sum() > LEAST_CORE
        else np.eye(field.shape[2])
        for inside in cores
    ]
    pairs = [(one, other) for one in range(len(centres)) for other in range(one)]
    apart, discriminant = [], []
    for one, other in pairs:
        step = centres[one] - centres[other]
        apart.append(float(np.sqrt(step @ step)))
        mixed = (spreads[one] + spreads[other]) / 2
        discriminant.append(float(np.sqrt(step @ np.linalg.solve(mixed, step))))
    inside = np.logical_or.reduce(cores)
    points, owner = field[inside], labels[inside]
    distance = np.sqrt(((points[:, None] - centres) ** 2).sum(axis=2))
    own = distance[np.arange(len(owner)), owner]
    distance[np.arange(len(owner)), owner] = np.inf
    silhouette = 1 - own / np.maximum(distance.min(axis=1), 1e-9) if len(owner) else np.zeros(1)
    statistics = np.array(
        [
            np.log(before[-1].error / max(error, 1e-9)),  # fall of the error from K - 1
            np.log(before[0].error / max(error, 1e-9)),  # and from 1
            np.log(max(min(apart), 1e-3)),  # least distance of two centres, in the learned metric
            np.log(max(min(discriminant), 1e-3)),  # and in units of the deviation within both
            float(silhouette.mean()),
            float(np.quantile(silhouette, 0.1)),
            np.log(max(areas.min(), 1e-3)),  # least eroded area
            np.log(max(error, 1e-9)),
        ]
    )
    return Split(labels, centres, error, statistics)

"""Sharper borders: discriminants learned inside the image, and a mean field that prefers equal neighbours.

P. Krähenbühl, V. Koltun, "Efficient inference in fully connected CRFs with Gaussian edge potentials", NeurIPS 2011,
with the spatial kernel alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.special import softmax

from matcurate.segmentation.discovery.paths import LEAST_CORE, Labels, core
from matcurate.types import FloatArray

COUPLING = 4.0
"""β: what agreement with all neighbours is worth, in units of log-probability."""
KERNEL = 2.0
"""Deviation of the kernel in places."""
UNARY = 0.05
"""Weight of a place's own log-density: places next to each other share what they see."""
STEPS = 8
SHRINKAGE = 0.1


def refined(field: FloatArray, labels: Labels, count: int) -> NDArray[np.float32]:
    """Probability (count, h, w) of each cluster at each place, for features (h, w, d) and clusters (h, w) from 0."""
    unary = _log_densities(field, labels, count) * np.float32(UNARY)
    q = softmax(unary, axis=0)
    for _ in range(STEPS):
        around = np.stack([gaussian_filter(layer, KERNEL, mode="nearest") for layer in q])
        q = softmax(unary + np.float32(COUPLING) * around, axis=0)
    return np.asarray(q, dtype=np.float32)


def _log_densities(field: FloatArray, labels: Labels, count: int) -> NDArray[np.float32]:
    """Logarithm (count, h, w) of normal densities around the cores of the clusters, with one covariance for all."""
    means: list[FloatArray] = []
    within: FloatArray = np.zeros((field.shape[2], field.shape[2]))
    for number in range(count):
        mask = labels == number
        inside = core(mask)
        points = field[inside if inside.sum() >= LEAST_CORE else mask].astype(np.float64)
        if not len(points):
            points = field.reshape(-1, field.shape[2]).astype(np.float64)
        means.append(points.mean(axis=0))
        within += (points - means[-1]).T @ (points - means[-1]) / len(points) / count
    within = (1 - SHRINKAGE) * within + SHRINKAGE * np.diag(np.diag(within)) + 1e-6 * np.eye(len(within))
    slopes = np.linalg.solve(within, np.array(means).T)
    constants = -0.5 * np.einsum("kd,dk->k", np.array(means), slopes)
    values = field @ slopes.astype(np.float32) + constants.astype(np.float32)
    return np.ascontiguousarray(np.moveaxis(values, -1, 0))

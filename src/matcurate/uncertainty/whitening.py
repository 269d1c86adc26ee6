"""The space in which distances between embeddings mean something: the scatter within classes is 1 along every axis.

References
----------
K. Lee, K. Lee, H. Lee, J. Shin, "A simple unified framework for detecting out-of-distribution samples and adversarial
attacks", NeurIPS (2018): Mahalanobis distances to class means under one covariance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcurate.types import FloatArray

Labels = NDArray[np.integer]
"""Classes (N,) in 0 … K - 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Whitening:
    """z = (x - centre) @ projection: ``centre`` (D,), the mean of the embeddings; ``projection`` (D, d), float64.

    It projects onto the main axes of all embeddings, scaled by what classes vary by along them.
    """

    centre: NDArray[np.float64]
    projection: NDArray[np.float64]

    def __call__(self, embeddings: FloatArray) -> NDArray[np.float64]:
        """Whitened (N, d) of embeddings (N, D)."""
        return np.asarray((embeddings.astype(np.float64) - self.centre) @ self.projection)


def fit_whitening(embeddings: FloatArray, labels: Labels, axes: int, shrinkage: float) -> Whitening:
    """Standardise, keep the main axes of all embeddings, and divide by the covariance within classes.

    ``embeddings`` (N, D), finite; fewer than ``axes`` are kept where there are fewer samples or numbers; ``shrinkage``
    in (0, 1] is the share of the mean variance in the covariance, against chance in few samples (Ledoit and Wolf 2004).
    """
    samples = embeddings.astype(np.float64)
    centre, deviation = samples.mean(axis=0), samples.std(axis=0)
    scale = np.where(deviation > 1e-9, deviation, np.inf)
    standard = (samples - centre) / scale
    _, singular, directions = np.linalg.svd(standard, full_matrices=False)
    kept = max(1, min(axes, int((singular > 1e-6 * singular[0]).sum())))
    main = directions[:kept].T
    within = _within(standard @ main, labels)
    mean = max(float(np.trace(within)) / kept, 1e-12)
    shrunk = (1 - shrinkage) * within + shrinkage * mean * np.eye(kept)
    return Whitening(centre, main @ np.linalg.cholesky(np.linalg.inv(shrunk)) / scale[:, None])


def _within(samples: NDArray[np.float64], labels: Labels) -> NDArray[np.float64]:
    """Covariance (d, d) of samples (N, d) around the means of their classes."""
    classes, members = np.unique(labels, return_inverse=True)
    sums = np.zeros((len(classes), samples.shape[1]))
    np.add.at(sums, members, samples)
    around = samples - (sums / np.bincount(members)[:, None])[members]
    return np.asarray(around.T @ around / len(samples))

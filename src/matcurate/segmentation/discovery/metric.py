"""A learned metric: a linear projection in which textures differ, and places of one texture do not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.ndimage import gaussian_filter

from matcurate.types import BoolMask, FloatArray, LabelMap

DIMENSIONS = 24
SHRINKAGE = 0.1
"""Part of the within-region covariance that is replaced by its diagonal."""
MODES = "nearest"


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """Features (n, D) → (n, d): ``(features - centre) @ projection``, in units of the deviation within a texture."""

    centre: NDArray[np.float32]
    projection: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.centre.shape != self.projection.shape[:1]:
            raise ValueError(f"centre {self.centre.shape} does not fit projection {self.projection.shape}")

    def __call__(self, features: FloatArray) -> FloatArray:
        """Project features (..., D)."""
        return np.asarray((features - self.centre) @ self.projection, dtype=np.float32)


def smoothed(field: FloatArray, sigma: float) -> FloatArray:
    """Gaussian means of a field (h, w, d), channel by channel; ``sigma`` in places of the field."""
    result = np.empty_like(field)
    for channel in range(field.shape[2]):
        result[..., channel] = gaussian_filter(field[..., channel], sigma, mode=MODES)
    return result


@dataclass
class Scatter:
    """Sums over regions from which :meth:`metric` is learned: collages are added one by one and not kept."""

    features: int

    def __post_init__(self) -> None:
        self._within = np.zeros((self.features, self.features))
        self._between = np.zeros((self.features, self.features))
        self._mean = np.zeros(self.features)
        self._regions = self._collages = 0

    def add(self, field: FloatArray, labels: LabelMap, inside: BoolMask) -> None:
        """Add a collage: smoothed features (h, w, D), ids (h, w) of its textures, and places that lie inside them."""
        means = []
        for number in np.unique(labels[inside]):
            points = field[inside & (labels == number)].astype(np.float64)
            means.append(points.mean(axis=0))
            apart = points - means[-1]
            self._within += apart.T @ apart / len(points)
            self._regions += 1
        centred = np.array(means) - np.mean(means, axis=0)
        self._between += centred.T @ centred / max(len(means) - 1, 1)
        self._mean += np.mean(means, axis=0)
        self._collages += 1

    def metric(self, dimensions: int = DIMENSIONS, shrinkage: float = SHRINKAGE) -> Metric:
        """Linear discriminants: the directions in which regions of a collage differ most.

        Raises ValueError when no collage was added.
        """
        if not self._collages:
            raise ValueError("a metric needs one collage or more")
        within = self._within / self._regions
        within = (1 - shrinkage) * within + shrinkage * np.diag(np.diag(within))
        within += 1e-6 * np.trace(within) / self.features * np.eye(self.features)
        axes = eigh(self._between / self._collages, within)[1][:, ::-1][:, :dimensions]
        centre = self._mean / self._collages
        return Metric(centre.astype(np.float32), axes.astype(np.float32))

"""Models g(x; θ) that predict a pixel from its neighbours x, and their score vectors.

With the density of a pixel normal around g with variance σ², s = (y - g) / σ² · ∂g/∂θ (K. Zhang et al. 2025, eq. 1);
its mean over the training pixels is 0 at the maximum of the likelihood (eq. 2).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from matcurate.segmentation.fisher.neighbours import Grey, Neighbourhood

Vector = NDArray[np.float64]


class Regressor(Protocol):
    """A fitted model; ``score_maps`` yields each component of the score vectors as a map (H - 2 half, W - 2 half)."""

    def score_maps(self, image: Grey) -> Iterator[Grey]:
        """One map after the other, so that the image is never copied for all of them."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class LinearRegressor:
    """g = intercept + x · weights (m,); θ = (intercept, weights)."""

    neighbourhood: Neighbourhood
    intercept: float
    weights: Vector
    variance: float

    def residual(self, image: Grey) -> Grey:
        """Residual y - g of every pixel with a complete neighbourhood, (H - 2 half, W - 2 half)."""
        rest = self.neighbourhood.centre(image) - np.float32(self.intercept)
        for weight, view in zip(self.weights, self.neighbourhood.shifted(image), strict=True):
            rest -= np.float32(weight) * view
        return rest

    def score_maps(self, image: Grey) -> Iterator[Grey]:
        """The m + 1 maps, the intercept's first."""
        scaled = self.residual(image) / np.float32(self.variance)
        yield scaled
        for view in self.neighbourhood.shifted(image):
            yield scaled * view


@dataclass(frozen=True, slots=True, eq=False)
class NeuralRegressor:
    """g = bias + outer · tanh(inner x + offset) of n hidden neurons: ``inner`` (n, m), ``offset``, ``outer`` (n,)."""

    neighbourhood: Neighbourhood
    inner: Vector
    offset: Vector
    outer: Vector
    bias: float
    variance: float

    def hidden(self, image: Grey) -> Grey:
        """Output (n, H - 2 half, W - 2 half) of the hidden neurons."""
        first = self.neighbourhood.centre(image)
        total = np.repeat(self.offset.astype(np.float32)[:, None, None], first.shape[0], axis=1).repeat(
            first.shape[1], axis=2
        )
        for weights, view in zip(self.inner.T.astype(np.float32), self.neighbourhood.shifted(image), strict=True):
            for neuron, weight in enumerate(weights):
                total[neuron] += weight * view
        return np.asarray(np.tanh(total, out=total))

    def score_maps(self, image: Grey) -> Iterator[Grey]:
        """1 + n + n + n·m maps: of the bias, the outer weights, the offsets, and the inner weights."""
        hidden = self.hidden(image)
        prediction = np.tensordot(self.outer.astype(np.float32), hidden, axes=1) + np.float32(self.bias)
        scaled = ((self.neighbourhood.centre(image) - prediction) / self.variance).astype(np.float32)
        yield scaled
        for output in hidden:
            yield scaled * output
        for weight, output in zip(self.outer.astype(np.float32), hidden, strict=True):
            slope = scaled * weight * (1 - output**2)
            yield slope
            for view in self.neighbourhood.shifted(image):
                yield slope * view


def fit_linear(image: Grey, half: int, pixels: int, ridge: float, rng: np.random.Generator) -> LinearRegressor:
    """Fit by least squares on ``pixels`` random pixels at most; ``ridge`` is the penalty on the weights per pixel.

    Raises ValueError when the image (H, W) is smaller than a neighbourhood.
    """
    neighbourhood = Neighbourhood(half)
    predictors, values = (part.astype(np.float64) for part in neighbourhood.sample(image, pixels, rng))
    centre, level = predictors.mean(axis=0), values.mean()
    apart = predictors - centre
    gram = apart.T @ apart / len(values) + ridge * np.eye(neighbourhood.count)
    weights = np.linalg.lstsq(gram, apart.T @ (values - level) / len(values), rcond=None)[0]
    rest = values - level - apart @ weights
    return LinearRegressor(neighbourhood, float(level - centre @ weights), weights, _variance(rest))


def fit_neural(image: Grey, half: int, pixels: int, neurons: int, rng: np.random.Generator) -> NeuralRegressor:
    """Fit a network with one hidden layer on ``pixels`` random pixels at most; errors as of :func:`fit_linear`."""
    neighbourhood = Neighbourhood(half)
    predictors, values = (part.astype(np.float64) for part in neighbourhood.sample(image, pixels, rng))
    network = MLPRegressor(
        hidden_layer_sizes=(neurons,),
        activation="tanh",
        solver="lbfgs",
        alpha=0.0,
        max_iter=500,
        random_state=int(rng.integers(2**31)),
    )
    with warnings.catch_warnings():  # a few steps short of the optimum is near enough for scores
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(predictors, values)
    (inner, outer), (offset, bias) = network.coefs_, network.intercepts_
    rest = values - network.predict(predictors)
    return NeuralRegressor(neighbourhood, inner.T, offset, outer[:, 0], float(bias[0]), _variance(rest))


def _variance(residual: Vector) -> float:
    """σ², kept from 0 for an image that its neighbours predict exactly."""
    return max(float((residual**2).mean()), 1e-8)

"""How many regions there are: a conditional logit over the splits of a path, and a gate for one texture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, logsumexp

from matcurate.segmentation.discovery.paths import STATISTICS, Split

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
GATE = 0.7
"""Probability of one texture above which an image is taken for one."""
PENALTY = 0.02
"""Of squared weights, against the mean log-likelihood."""


@dataclass(frozen=True, slots=True, eq=False)
class Selector:
    """Weights of standardised :func:`evidence`; ``gate`` has one more, its constant, at the end."""

    centre: Vector
    scale: Vector
    weights: Vector
    gate: Vector

    def __post_init__(self) -> None:
        if not len(self.centre) == len(self.scale) == len(self.weights) == len(self.gate) - 1:
            raise ValueError("centre, scale, weights and gate (less its constant) must have one length")

    def probabilities(self, splits: Sequence[Split]) -> Vector:
        """Probability (K_max,) of 1, 2, … regions."""
        if len(splits) == 1:
            return np.ones(1)
        values = (evidence(splits) - self.centre) / self.scale
        one = float(expit(values[0] @ self.gate[:-1] + self.gate[-1]))
        several = np.exp(log_softmax(values @ self.weights))
        return np.concatenate([[one], (1 - one) * several])

    def count(self, splits: Sequence[Split]) -> int:
        """Number of regions: 1 where the gate says so, else the most probable of the others."""
        probabilities = self.probabilities(splits)
        if len(probabilities) == 1 or probabilities[0] > GATE:
            return 1
        return int(np.argmax(probabilities[1:])) + 2


def evidence(splits: Sequence[Split]) -> Matrix:
    """Statistics (K_max - 1, 9) of the splits in 2, 3, …, each with the fall of the error that comes next."""
    own = np.array([split.statistics for split in splits[1:]])
    return np.column_stack([own, np.append(own[1:, 0], own[-1, 0] * 0.8)])


def fit_selector(paths: Sequence[Sequence[Split]], counts: Sequence[int]) -> Selector:
    """Learn from paths and their true numbers of regions, some of them 1 and some more.

    Raises ValueError when either is missing.
    """
    values = [evidence(path) for path in paths]
    several = [(rows, count) for rows, count in zip(values, counts, strict=True) if 1 < count <= len(rows) + 1]
    ones = np.array([count == 1 for count in counts])
    if not several or not ones.any():
        raise ValueError("a selector needs images of one texture, and of several")
    stacked = np.concatenate(values)
    centre, scale = stacked.mean(axis=0), np.maximum(stacked.std(axis=0), 1e-6)
    rows = np.array([(row - centre) / scale for row, _ in several])
    chosen = np.array([count - 2 for _, count in several])
    first = np.array([(row[0] - centre) / scale for row in values])
    weight = np.where(ones, 0.5 / ones.sum(), 0.5 / max((~ones).sum(), 1))

    def choice(weights: Vector) -> float:
        score = rows @ weights
        likelihood = score[np.arange(len(chosen)), chosen] - logsumexp(score, axis=1)
        return float(PENALTY * weights @ weights - likelihood.mean())

    def gate(weights: Vector) -> float:
        score = first @ weights[:-1] + weights[-1]
        likelihood = -np.logaddexp(0, np.where(ones, -score, score))
        return float(PENALTY * weights[:-1] @ weights[:-1] - likelihood @ weight)

    size = STATISTICS + 1
    return Selector(centre, scale, minimize(choice, np.zeros(size)).x, minimize(gate, np.zeros(size + 1)).x)

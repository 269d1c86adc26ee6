"""How many regions there are: whether each further split is of two textures, or of one."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from matcurate.segmentation.discovery.paths import Split
from matcurate.types import FloatArray

NEURONS = 16
PENALTIES = (0.3, 1.0, 3.0, 10.0)
"""Of the weights; that with the most right numbers in a cross-validation is taken."""
FOLDS = 5
LEAST = 1e-3
"""Probability that no split is denied, so that a single one cannot decide alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Selector:
    """A network with one hidden layer of n neurons on standardised :func:`evidence` (m values for each split).

    ``centre`` and ``scale`` (m,), ``inner`` (m, n), ``offset`` and ``outer`` (n,), ``bias`` (1,).
    """

    centre: FloatArray
    scale: FloatArray
    inner: FloatArray
    offset: FloatArray
    outer: FloatArray
    bias: FloatArray

    def __post_init__(self) -> None:
        values, neurons = self.inner.shape
        if not len(self.centre) == len(self.scale) == values or not len(self.offset) == len(self.outer) == neurons:
            raise ValueError(f"centre, scale, offset and outer do not fit inner {self.inner.shape}")

    def real(self, splits: Sequence[Split]) -> FloatArray:
        """Probability (K_max - 1,) that the split in 2, 3, … divides no texture."""
        values = (evidence(splits) - self.centre) / self.scale
        return np.asarray(expit(np.tanh(values @ self.inner + self.offset) @ self.outer + self.bias))

    def probabilities(self, splits: Sequence[Split]) -> FloatArray:
        """Probability (K_max,) of 1, 2, … regions: that the splits so far are real, and none after them is."""
        if len(splits) == 1:
            return np.ones(1)
        real = np.clip(self.real(splits), LEAST, 1 - LEAST)
        yes, no = np.log(real), np.log(1 - real)
        return np.asarray(softmax([yes[:count].sum() + no[count:].sum() for count in range(len(real) + 1)]))

    def count(self, splits: Sequence[Split]) -> int:
        """Most probable number of regions."""
        return int(np.argmax(self.probabilities(splits))) + 1


def evidence(splits: Sequence[Split]) -> FloatArray:
    """Statistics (K_max - 1, 9) of the splits in 2, 3, …, each with the fall of the error that comes next."""
    own = np.array([split.statistics for split in splits[1:]])
    return np.column_stack([own, np.append(own[1:, 0], own[-1, 0] * 0.8)])


def fit_selector(paths: Sequence[Sequence[Split]], counts: Sequence[int], seed: int = 0) -> Selector:
    """Learn from paths and their true numbers of regions, some of them 1 and some more.

    Raises ValueError when either is missing.
    """
    if 1 not in counts or max(counts) == 1:
        raise ValueError("a selector needs images of one texture, and of several")
    fold = np.random.default_rng(seed).permutation(len(paths)) % FOLDS
    right = {penalty: _validated(paths, counts, fold, penalty, seed) for penalty in PENALTIES}
    return _fitted(paths, counts, max(PENALTIES, key=lambda penalty: right[penalty]), seed)


def _validated(
    paths: Sequence[Sequence[Split]], counts: Sequence[int], fold: NDArray[np.int64], penalty: float, seed: int
) -> int:
    """Number of paths whose regions are counted right by a selector that has not seen them."""
    right = 0
    for number in range(FOLDS):
        learned, held_out = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        selector = _fitted([paths[at] for at in learned], [counts[at] for at in learned], penalty, seed)
        right += sum(selector.count(paths[at]) == counts[at] for at in held_out)
    return right


def _fitted(paths: Sequence[Sequence[Split]], counts: Sequence[int], penalty: float, seed: int) -> Selector:
    values = [evidence(path) for path in paths]
    rows = np.concatenate(values)
    real = np.concatenate([np.arange(2, 2 + len(each)) <= count for each, count in zip(values, counts, strict=True)])
    centre, scale = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-6)
    network = MLPClassifier(
        (NEURONS,), activation="tanh", solver="lbfgs", alpha=penalty, max_iter=500, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit((rows - centre) / scale, real)
    (inner, outer), (offset, bias) = network.coefs_, network.intercepts_
    return Selector(centre, scale, inner, offset, outer[:, 0], bias)

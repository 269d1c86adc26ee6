"""Learning which seams part two grains, the third task of the pre-training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from sklearn.metrics import adjusted_rand_score
from torch.utils.data import Dataset

from matcurate.promptable.builtin.agglomeration import LEVELS, joined, pairs
from matcurate.promptable.builtin.joining import measured
from matcurate.promptable.builtin.judging import HELD_OUT, learn
from matcurate.promptable.builtin.network import UNet
from matcurate.promptable.builtin.patches import Numbers, Patches
from matcurate.promptable.builtin.quality import Estimator
from matcurate.promptable.builtin.recipe import SeamRecipe
from matcurate.promptable.builtin.scene import Scene
from matcurate.promptable.builtin.stream import Picture, Pictures, cut
from matcurate.types import Progress, silent

CARE = np.linspace(0.1, 1.3, 12)
"""Levels of the first round, in which only what belongs together is joined: the weak boundaries first, by chance."""
CHANCE = 0.3
"""How much chance there is in that order."""


@dataclass(frozen=True, slots=True, eq=False)
class Parted:
    """Patches of one picture, and its true grains (H, W)."""

    patches: Patches
    truth: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class SeamReport:
    """How well pictures kept apart are parted: mean adjusted Rand index, of how many; seams learned from."""

    ari: float
    pictures: int
    examples: int


@dataclass(frozen=True, slots=True, eq=False)
class Seams:
    """Measurements (E, D) of seams, whether each parts two grains (E,), and how much it matters (E,)."""

    measured: NDArray[np.float32]
    split: NDArray[np.float32]
    weight: NDArray[np.float32]


class SeamPictures(Dataset[Parted]):
    """Item i is picture i in patches, the same whenever and wherever it is asked for.

    Parameters
    ----------
    pictures : Pictures
        What is parted.
    network : UNet
        What says where the boundaries are; on the CPU, in evaluation mode.
    recipe : SeamRecipe
        How pictures are cut and changed.
    seed : int
        Non-negative.
    """

    def __init__(self, pictures: Pictures, network: UNet, recipe: SeamRecipe, seed: int) -> None:
        self._pictures = pictures
        self._network = network
        self._recipe = recipe
        self._seed = seed

    def __len__(self) -> int:
        return self._recipe.pictures

    def __getitem__(self, index: int) -> Parted:
        rng = np.random.default_rng([self._seed, index, 2])
        picture = self._pictures.draw(rng)
        if rng.random() < self._recipe.elongated:
            low, high = np.log(self._recipe.elongation)
            picture = drawn_out(picture, float(np.exp(rng.uniform(low, high))), rng)
        grey, regions, _ = cut(picture, self._recipe.crop, self._recipe.augmentation, rng)
        return Parted(Scene.seen_by(self._network, grey.numpy()).patches, regions)


def drawn_out(picture: Picture, factor: float, rng: np.random.Generator) -> Picture:
    """Part of a picture, stretched along its rows or its columns to the size of the whole."""
    height, width = picture.grey.shape
    across = bool(rng.random() < 0.5)
    length = width if across else height
    kept = max(1, round(length / factor))
    start = int(rng.integers(length - kept + 1))
    here = (slice(None), slice(start, start + kept)) if across else (slice(start, start + kept), slice(None))

    def stretched(values: NDArray[Any], how: int) -> NDArray[Any]:
        return np.asarray(cv2.resize(np.ascontiguousarray(values[here]), (width, height), interpolation=how))

    grey = stretched(picture.grey, cv2.INTER_LINEAR)
    regions = stretched(picture.regions.astype(np.float64), cv2.INTER_NEAREST).astype(np.int32)
    return Picture(grey, regions, stretched(picture.inside, cv2.INTER_NEAREST), picture.source)


def learn_seams(
    estimator: Estimator, found: Sequence[Parted], recipe: SeamRecipe, seed: int, progress: Progress = silent
) -> SeamReport:
    """Learn which seams part two grains by joining patches again and again.

    In the first round only patches of one grain are joined, in an order with some chance in it; later ones go where
    what has been learned so far leads, mistakes included, and learn from what is met there (Ross et al. 2011, DAgger;
    for agglomeration Nunez-Iglesias et al. 2013). A seam weighs the square root of its smaller patch's pixels.

    Parameters
    ----------
    estimator : Estimator
        Untrained; learns in place.
    found : sequence of Parted
        At least two; every eighth is kept for the report.
    recipe : SeamRecipe
        Rounds, seams, epochs, batch and learning rate.
    seed : int
        Non-negative.
    progress : Progress
        Told rounds.
    """
    learned = [one for number, one in enumerate(found) if number % HELD_OUT]
    kept, seams = found[::HELD_OUT], list[Seams]()
    for number in range(recipe.rounds + 1):
        for index, one in enumerate(learned):
            rng = np.random.default_rng([seed, number, index])
            seams.append(_met(one, estimator if number else None, recipe.seams_per_picture, rng))
        inputs, split, weight = (
            torch.from_numpy(np.concatenate(part))
            for part in zip(*((one.measured, one.split, one.weight) for one in seams), strict=True)
        )
        if len(inputs):
            learn(estimator, inputs, split, recipe, seed, weight)
        progress(number + 1, recipe.rounds + 1, "seams")
    scores = [
        adjusted_rand_score(one.truth.ravel(), joined(one.patches, estimator.judge).map().ravel()) for one in kept
    ]
    return SeamReport(float(np.mean(scores)), len(kept), sum(len(one.split) for one in seams))


def _met(one: Parted, estimator: Estimator | None, most: int, rng: np.random.Generator) -> Seams:
    """Seams of one picture that are met while patches are joined: by the truth, or by what was learned."""
    patches, met = one.patches, list[Seams]()
    if estimator is None:
        join = _by_truth(one.truth, rng)
        for level in CARE:
            met.append(_seams(patches, one.truth))
            patches = join(patches, float(level))
    else:
        for level in LEVELS:
            met.append(_seams(patches, one.truth))
            patches = joined(patches, estimator.judge, (level,))
    met.append(_seams(patches, one.truth))
    every = [np.concatenate(part) for part in zip(*((s.measured, s.split, s.weight) for s in met), strict=True)]
    chosen = rng.permutation(len(every[0]))[:most]
    return Seams(every[0][chosen], every[1][chosen], every[2][chosen])


def _by_truth(truth: NDArray[np.int32], rng: np.random.Generator) -> Callable[[Patches, float], Patches]:
    def join(patches: Patches, level: float) -> Patches:
        if not len(patches.ends):
            return patches
        grain = owners(patches, truth)
        one = grain[patches.ends[:, 0]] == grain[patches.ends[:, 1]]
        order = measured(patches)[:, 0] + CHANCE * rng.random(len(one))
        together = pairs(patches, np.where(one, order, np.inf), level)
        return patches if together is None else patches.joined(together)

    return join


def _seams(patches: Patches, truth: NDArray[np.int32]) -> Seams:
    grain = owners(patches, truth)
    first, second = patches.ends.T
    weight = np.sqrt(np.minimum(patches.areas[first], patches.areas[second]))
    split = grain[first] != grain[second]
    return Seams(measured(patches), split.astype(np.float32), weight.astype(np.float32))


def owners(patches: Patches, truth: NDArray[np.int32]) -> Numbers:
    """The true grain (N,) that has most pixels of each patch."""
    where = patches.map().ravel()
    shape = (len(patches.areas), int(truth.max()) + 1)
    shared = coo_array((np.ones(where.size), (where, truth.ravel())), shape=shape).tocsr()
    return np.asarray(shared.argmax(axis=1), dtype=np.int64).ravel()

"""Train a classifier on the microstructure classes of named micrographs, and test it on crops held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcurate.config import ClassSettings
from matcurate.types import FloatArray
from matcurate.uncertainty.calibration import Flags
from matcurate.uncertainty.dirichlet import class_means, vacuity
from matcurate.uncertainty.growing import outputs_only
from matcurate.uncertainty.head import HeadSettings
from matcurate.uncertainty.learners import HeadLearner, PatchLearner
from matcurate.uncertainty.patch_model import PatchModel
from matcurate.uncertainty.trainer import HeadTraining

HEAD = HeadSettings(shrinkage=0.1)
"""Micrographs of a class differ more than crops of one texture do, and there are few of them."""
TRAINING = HeadTraining(epochs=60, batch=64, learning_rate=0.01)
ON_EMBEDDINGS = HeadLearner(HEAD, TRAINING)
FOLDS = 4
NOTHING_HELD_OUT = 0.5
"""Threshold of vacuity where no class has two crops."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledCrops:
    """Embeddings (N, D) of the crops of one micrograph or box, or for a network crops (N, h, w); and their class."""

    name: str
    embeddings: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutResult:
    """Result for a micrograph, or a piece of one, that the model was not trained on.

    ``vacuity`` (N,) of its crops, in (0, 1]; ``right`` (N,): which of them were recognised; ``recognised``: whether the
    whole was, by the mean probability over its crops.
    """

    name: str
    vacuity: NDArray[np.float64]
    right: Flags
    recognised: bool


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutResults:
    """Results for micrographs that models were not trained on."""

    results: tuple[HeldOutResult, ...]

    def threshold(self, quantile: float) -> float:
        """Vacuity that this share of known crops stays below; :data:`NOTHING_HELD_OUT` where there are none.

        Of crops, since there are many, while a quantile of a few micrographs is little more than the largest value.
        """
        if not self.results:
            return NOTHING_HELD_OUT
        return float(np.quantile(np.concatenate([result.vacuity for result in self.results]), quantile))

    def accuracy(self, classes: Sequence[str]) -> Accuracy | None:
        """Shares of the micrographs and crops of these classes that were recognised; None where none was held out."""
        own = [result for result in self.results if result.name in classes]
        if not own:
            return None
        crops = float(np.concatenate([result.right for result in own]).mean())
        return Accuracy(float(np.mean([result.recognised for result in own])), crops)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Shares that were recognised: of micrographs, which is what a user asks about, and of their single crops."""

    micrographs: float
    crops: float


def grow(
    head: PatchModel,
    named: str,
    classes: Sequence[str],
    labelled: Sequence[LabelledCrops],
    rng: np.random.Generator,
    learner: PatchLearner = ON_EMBEDDINGS,
) -> PatchModel:
    """Make a head with an output for each of these classes, of which only that of ``named`` learns.

    A class that the head lacks gets an output, one that is gone loses it; all other weights stay bit for bit.
    ``labelled`` has crops of each class. ``named`` is new, or more or fewer micrographs show it now.
    """
    for name in head.classes:
        if name not in classes:
            head = head.without(name)
    for name in classes:
        if name not in head.classes:
            head = head.extended(name, _joined(labelled, [name])[0])
    with outputs_only(head, [head.classes.index(named)]):
        return _train(head, labelled, rng, learner)


def retrain(
    head: PatchModel | None,
    classes: Sequence[str],
    labelled: Sequence[LabelledCrops],
    settings: ClassSettings,
    rng: np.random.Generator,
    learner: PatchLearner = ON_EMBEDDINGS,
) -> PatchModel:
    """Train what has grown, as the settings say.

    ``refit`` fits whitening and centres of the classes to all crops in closed form, then trains; the head before is not
    used. ``finetune`` trains all outputs on, as in the paper; ``new_output_only`` trains no further. ``head`` is what
    :func:`grow` made; without it the first class begins (a network: the first two), and the others are grown onto it
    one by one.
    """
    if settings.retraining == "refit":
        return _train(_begin(classes, labelled, rng, learner), labelled, rng, learner)
    if head is None:
        head = _begin(classes[: learner.fewest], labelled, rng, learner)
        if learner.fewest > 1:  # nothing is known before training
            head = _train(head, labelled, rng, learner)
        for number in range(learner.fewest, len(classes)):
            names = classes[: number + 1]
            head = grow(head, names[-1], names, [crops for crops in labelled if crops.name in names], rng, learner)
    return head if settings.retraining == "new_output_only" else _train(head, labelled, rng, learner)


def hold_out(
    classes: Sequence[str],
    labelled: Sequence[LabelledCrops],
    settings: ClassSettings,
    seed: int,
    learner: PatchLearner = ON_EMBEDDINGS,
) -> HeldOutResults:
    """Train on all but a part of the micrographs, in turn, and classify that part.

    A class with one micrograph is split into pieces; one with a single crop is never held out. Crops of one
    micrograph are more alike than those of two: such a class looks better known than it is. Nothing is held out where
    there are fewer classes than the learner takes.
    """
    if len(classes) < learner.fewest:
        return HeldOutResults(())
    pieces = _pieces(classes, labelled)
    results: list[HeldOutResult] = []
    for fold in sorted({fold for fold, _ in pieces if fold is not None}):
        learned = [piece for number, piece in pieces if number != fold]
        head = retrain(None, classes, learned, settings, np.random.default_rng([seed, fold]), learner)
        results += [_held_out_result(head, piece) for number, piece in pieces if number == fold]
    return HeldOutResults(tuple(results))


def _held_out_result(head: PatchModel, piece: LabelledCrops) -> HeldOutResult:
    alpha, own = head.parameters_of(piece.embeddings), head.classes.index(piece.name)
    together = int(class_means(alpha).mean(axis=0).argmax())
    return HeldOutResult(piece.name, vacuity(alpha), alpha.argmax(axis=1) == own, together == own)


def _pieces(classes: Sequence[str], labelled: Sequence[LabelledCrops]) -> list[tuple[int | None, LabelledCrops]]:
    """Every micrograph, or piece of the only one of a class, with its fold; None for what cannot be held out."""
    pieces: list[tuple[int | None, LabelledCrops]] = []
    for name in classes:
        own = [crops for crops in labelled if crops.name == name]
        if len(own) == 1:
            parts = np.array_split(own[0].embeddings, min(FOLDS, len(own[0].embeddings)))
            own = [LabelledCrops(name, part) for part in parts]
        pieces += [(number % FOLDS if len(own) > 1 else None, crops) for number, crops in enumerate(own)]
    return pieces


def _begin(
    classes: Sequence[str], labelled: Sequence[LabelledCrops], rng: np.random.Generator, learner: PatchLearner
) -> PatchModel:
    embeddings, labels = _joined(labelled, classes)
    return learner.begin(classes, embeddings, labels, rng)


def _train(
    head: PatchModel, labelled: Sequence[LabelledCrops], rng: np.random.Generator, learner: PatchLearner
) -> PatchModel:
    embeddings, labels = _joined(labelled, head.classes)
    chosen = balanced(labels, rng)
    learner.train(head, embeddings[chosen], labels[chosen], rng)
    return head


def balanced(labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices of samples (N,) such that every class comes as often as the largest; none is left out."""
    most = int(np.bincount(labels).max())
    chosen = []
    for number in np.unique(labels):
        own = np.flatnonzero(labels == number)
        times, rest = divmod(most, len(own))
        chosen += [np.tile(own, times), rng.choice(own, rest, replace=False)]
    return np.concatenate(chosen)


def _joined(labelled: Sequence[LabelledCrops], classes: Sequence[str]) -> tuple[FloatArray, NDArray[np.int64]]:
    """Embeddings of what shows one of these classes, and the numbers of the classes."""
    own = [crops for crops in labelled if crops.name in classes]
    numbers = [list(classes).index(crops.name) for crops in own]
    return np.concatenate([crops.embeddings for crops in own]), np.repeat(
        numbers, [len(crops.embeddings) for crops in own]
    )

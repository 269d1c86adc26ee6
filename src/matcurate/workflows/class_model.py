"""Teaching a head the microstructure classes of named micrographs, and asking what it makes of crops held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcurate.config import ClassSettings
from matcurate.types import FloatArray
from matcurate.uncertainty.calibration import Flags
from matcurate.uncertainty.dirichlet import vacuity
from matcurate.uncertainty.head import EvidentialHead, HeadSettings, begin_head
from matcurate.uncertainty.trainer import HeadTraining, train_head

HEAD = HeadSettings(shrinkage=0.1)
"""Micrographs of a class differ more than crops of one texture do, and there are few of them."""
TRAINING = HeadTraining(epochs=60, batch=64, learning_rate=0.01)
FOLDS = 4
NOTHING_HELD_OUT = 0.5
"""Threshold of vacuity where no class has two crops."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Embeddings (N, D) of the crops of one micrograph, or of a box in it, and the class it shows."""

    name: str
    embeddings: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """What heads made of crops of micrographs that they were not taught.

    Parameters
    ----------
    names : tuple of str
        Class of each crop (M,).
    vacuity : float array (M,)
        In (0, 1].
    right : bool array (M,)
        Whether it was recognised.
    """

    names: tuple[str, ...]
    vacuity: NDArray[np.float64]
    right: Flags

    def threshold(self, quantile: float) -> float:
        """Vacuity that this share of known crops stays below; :data:`NOTHING_HELD_OUT` where there are none.

        Of crops, since there are many, while a quantile of a few micrographs is little more than the largest value.
        """
        return float(np.quantile(self.vacuity, quantile)) if len(self.vacuity) else NOTHING_HELD_OUT

    def accuracy(self, classes: Sequence[str]) -> float | None:
        """Share of the crops of these classes that were recognised; None where none was held out."""
        own = np.array([name in classes for name in self.names], dtype=np.bool_)
        return float(self.right[own].mean()) if own.any() else None


def teach(
    head: EvidentialHead | None,
    classes: Sequence[str],
    shown: Sequence[Shown],
    settings: ClassSettings,
    rng: np.random.Generator,
) -> EvidentialHead:
    """A head that knows the classes, from what shows them.

    ``append``: the head gets an output for each class that it lacks and loses that of each class that is gone, all
    other weights bit for bit, and training goes on with old and new crops. ``afresh``: whitening and places of the
    classes are fitted to all crops in closed form, then trained; the head before is not looked at.

    Parameters
    ----------
    head : EvidentialHead, optional
        The one before; without it ``append`` begins with the first class, and appends the others one by one.
    classes : sequence of str
        Names in the order of the outputs.
    shown : sequence of Shown
        At least one of each class.
    settings : ClassSettings
        How it grows.
    rng : np.random.Generator
        Of balancing and training.
    """
    if settings.growth == "afresh":
        return _trained(_begun(classes, shown), shown, rng)
    if head is None or not set(head.classes) & set(classes):
        head = _begun(classes[:1], shown)
    for name in head.classes:
        if name not in classes:
            head = head.without(name)
    for name in classes:
        if name not in head.classes:
            head = _trained(head.extended(name, _joined(shown, [name])[0]), shown, rng)
    return _trained(head, shown, rng)


def hold_out(classes: Sequence[str], shown: Sequence[Shown], settings: ClassSettings, seed: int) -> HeldOut:
    """Teach heads all but a part of the micrographs, in turn, and ask them what that part shows.

    A class with one micrograph is parted into pieces of it; one with a single crop is never held out. Crops of one
    micrograph are more alike than those of two: such a class looks better known than it is.
    """
    pieces = _pieces(classes, shown)
    folds = [fold for fold, _ in pieces]
    names: list[str] = []
    found: list[NDArray[np.float64]] = [np.zeros(0)]
    right: list[Flags] = [np.zeros(0, dtype=np.bool_)]
    for fold in sorted({each for each in folds if each is not None}):
        learned = [piece for number, piece in pieces if number != fold]
        head = teach(None, classes, learned, settings, np.random.default_rng([seed, fold]))
        for asked in (piece for number, piece in pieces if number == fold):
            alpha = head.parameters_of(asked.embeddings)
            names += [asked.name] * len(alpha)
            found.append(vacuity(alpha))
            right.append(alpha.argmax(axis=1) == head.classes.index(asked.name))
    return HeldOut(tuple(names), np.concatenate(found), np.concatenate(right))


def _pieces(classes: Sequence[str], shown: Sequence[Shown]) -> list[tuple[int | None, Shown]]:
    """Every micrograph, or piece of the only one of a class, with its fold; None for what cannot be held out."""
    found: list[tuple[int | None, Shown]] = []
    for name in classes:
        own = [each for each in shown if each.name == name]
        if len(own) == 1:
            parts = np.array_split(own[0].embeddings, min(FOLDS, len(own[0].embeddings)))
            own = [Shown(name, part) for part in parts]
        found += [(number % FOLDS if len(own) > 1 else None, each) for number, each in enumerate(own)]
    return found


def _begun(classes: Sequence[str], shown: Sequence[Shown]) -> EvidentialHead:
    embeddings, labels = _joined(shown, classes)
    return begin_head(classes, embeddings, labels, HEAD)


def _trained(head: EvidentialHead, shown: Sequence[Shown], rng: np.random.Generator) -> EvidentialHead:
    embeddings, labels = _joined(shown, head.classes)
    chosen = balanced(labels, rng)
    train_head(head, embeddings[chosen], labels[chosen], TRAINING, rng=rng)
    return head


def balanced(labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Places of samples (N,) such that every class comes as often as the largest; none is left out."""
    most = int(np.bincount(labels).max())
    chosen = []
    for number in np.unique(labels):
        own = np.flatnonzero(labels == number)
        times, rest = divmod(most, len(own))
        chosen += [np.tile(own, times), rng.choice(own, rest, replace=False)]
    return np.concatenate(chosen)


def _joined(shown: Sequence[Shown], classes: Sequence[str]) -> tuple[FloatArray, NDArray[np.int64]]:
    """Embeddings of what shows one of these classes, and the numbers of the classes."""
    own = [each for each in shown if each.name in classes]
    numbers = [list(classes).index(each.name) for each in own]
    return np.concatenate([each.embeddings for each in own]), np.repeat(numbers, [len(e.embeddings) for e in own])

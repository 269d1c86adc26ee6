"""Classifier of microstructure classes: the most similar classes with example crops, and vacuity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from matcurate.types import FloatArray, Pixels
from matcurate.uncertainty.dirichlet import class_means, vacuity
from matcurate.uncertainty.embedding import Embedder
from matcurate.uncertainty.patch_model import PatchModel
from matcurate.uncertainty.whitening import Labels

SIMILAR = 10
"""K' of the paper: classes that are shown to the expert."""
EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Similar:
    """A class like what a crop shows: its expected probability in (0, 1), and crops it was learned from.

    ``examples`` are indices of the gallery, the most similar crop first.
    """

    name: str
    probability: float
    examples: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PatchAnswer:
    """Classification of a crop: the most similar classes, the best first, and vacuity in (0, 1]."""

    similar: tuple[Similar, ...]
    vacuity: float

    @property
    def name(self) -> str:
        """The most probable class."""
        return self.similar[0].name

    def is_new(self, threshold: float) -> bool:
        """Whether there is so little evidence that it may be a class of its own."""
        return self.vacuity > threshold


@dataclass(frozen=True, slots=True)
class RegionClass:
    """Class of a region by its id: the most probable ``name``, and whether vacuity says that it may be a new one.

    ``similar`` are the most similar classes with their probabilities, the best first.
    """

    region: int
    name: str
    new: bool
    vacuity: float
    similar: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """Embeddings (M, D) of crops that the classes were learned from, or the crops (M, h, w); their classes (M,)."""

    embeddings: FloatArray
    labels: Labels

    def __post_init__(self) -> None:
        if self.embeddings.ndim < 2 or self.labels.shape != self.embeddings.shape[:1]:
            raise ValueError(f"embeddings {self.embeddings.shape} do not fit labels {self.labels.shape}")


class PatchClassifier:
    """Classifies crops of homogeneous regions by a trained model, with examples from a gallery.

    ``embedder`` is the one that the model was trained on; for a network it gives crops as the network takes them.
    """

    def __init__(self, embedder: Embedder, model: PatchModel, gallery: Gallery) -> None:
        self._embedder = embedder
        self._model = model
        self._labels = gallery.labels
        self._gallery = model.infer(gallery.embeddings).features

    def __call__(self, crops: Pixels, similar: int = SIMILAR, examples: int = EXAMPLES) -> tuple[PatchAnswer, ...]:
        """Classify crops (N, h, w) of the size that was learned.

        ``similar`` is the paper's K', the number of ranked classes, at least 1; ``examples`` the number of crops of the
        gallery named for each. Raises ValueError when one of them is too small.
        """
        _check(similar, examples)
        output = self._model.infer(self._embedder(crops))
        shares, unknown = class_means(output.alpha), vacuity(output.alpha)
        ranked = np.argsort(-output.logits, axis=1, kind="stable")[:, :similar]
        return tuple(
            PatchAnswer(self._similar(output.features[row], ranked[row], shares[row], examples), float(unknown[row]))
            for row in range(len(output.alpha))
        )

    def together(self, embeddings: FloatArray, similar: int = SIMILAR, examples: int = EXAMPLES) -> PatchAnswer:
        """Give one answer for all crops of one micrograph or region, from their embeddings (N, …).

        Probabilities are means over the crops. Vacuity is their median: neither a crop of the mount nor one that
        happens to look familiar decides. Classes without evidence are ranked by their mean logits. Examples are the
        gallery's crops that lie nearest to any of these. Raises ValueError when there is no crop, ``similar`` is below
        1 or ``examples`` below 0.
        """
        _check(similar, examples)
        if not len(embeddings):
            raise ValueError("needs the embedding of at least one crop")
        output = self._model.infer(embeddings)
        shares = class_means(output.alpha).mean(axis=0)
        ranked = np.lexsort((-output.logits.mean(axis=0), -shares.round(6)))[:similar]
        return PatchAnswer(
            self._similar(output.features, ranked, shares, examples), float(np.median(vacuity(output.alpha)))
        )

    def _similar(self, features: FloatArray, ranked: Labels, shares: FloatArray, examples: int) -> tuple[Similar, ...]:
        return tuple(
            Similar(self._model.classes[number], float(shares[number]), self._examples(features, int(number), examples))
            for number in ranked
        )

    def _examples(self, features: FloatArray, number: int, count: int) -> tuple[int, ...]:
        """Crops of a class nearest to features (d,), or to the nearest of several (N, d)."""
        own = np.flatnonzero(self._labels == number)
        apart = [((self._gallery[own] - point) ** 2).sum(axis=1) for point in np.atleast_2d(features)]
        nearest = np.argsort(np.min(apart, axis=0), kind="stable")[:count]
        return tuple(int(index) for index in own[nearest])


def _check(similar: int, examples: int) -> None:
    if similar < 1 or examples < 0:
        raise ValueError(f"similar must be at least 1 and examples at least 0, got {similar} and {examples}")


def most_unknown(answers: Sequence[PatchAnswer], threshold: float) -> tuple[int, ...]:
    """Indices of the answers that may be new classes, the least known first: the "new class?" queue."""
    order = sorted(range(len(answers)), key=lambda index: (-answers[index].vacuity, index))
    return tuple(index for index in order if answers[index].is_new(threshold))

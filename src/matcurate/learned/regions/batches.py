"""Batches of collages, alone or beside crops of micrographs, for the trainer of :mod:`matcurate.phase`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from matcurate.phase.augment import Augmentation, augmented
from matcurate.phase.ratios import no_ratio
from matcurate.phase.samples import Batch, BatchSource, Normalising, Picture
from matcurate.segmentation.collage import Collages

SMALLEST = 32
"""Smallest edge in pixels of a region that a patch of a collage is cut from."""


class CollageBatches(BatchSource):
    """Collages, each normalised by itself; intensity, gamma and contrast vary as the settings say."""

    def __init__(self, collages: Collages, model: Normalising, batch: int, augmentation: Augmentation) -> None:
        self._collages, self._model, self._batch, self._augmentation = collages, model, batch, augmentation
        self.frequencies = np.full(collages.classes, 1 / collages.classes)

    def batch(self, seed: int, step: int) -> Batch:
        """Collages of a step."""
        rng = np.random.default_rng((seed, step, 2))
        images, labels = [], []
        for index in range(step * self._batch, (step + 1) * self._batch):
            made = self._collages.collage(seed, index)
            grey = augmented(torch.from_numpy(made.grey), self._augmentation, rng)
            levels = self._model.levels(grey)
            images.append((grey - levels.zero) / (levels.one - levels.zero))
            labels.append(torch.from_numpy(made.labels).long())
        ratios = torch.from_numpy(no_ratio(self._collages.classes)).float().expand(self._batch, -1)
        return Batch(torch.stack(images)[:, None], torch.stack(labels), ratios)


class MixedBatches(BatchSource):
    """Batches of ``first``, and in a share of the steps those of ``other``, which has the same classes."""

    def __init__(self, first: BatchSource, other: BatchSource, share: float) -> None:
        self._first, self._other, self._share = first, other, share
        self.frequencies = (1 - share) * first.frequencies + share * other.frequencies

    def batch(self, seed: int, step: int) -> Batch:
        """Batch of a step, of one of the two."""
        other = np.random.default_rng((seed, step, 3)).random() < self._share
        return (self._other if other else self._first).batch(seed, step)


def region_crops(pictures: Sequence[Picture], phases: int) -> list[list[NDArray[np.float32]]] | None:
    """The largest square of one phase of every picture, by phase id: textures for collages.

    None where a phase has no square of :data:`SMALLEST` pixels in any picture: it consists of small objects.
    """
    crops: list[list[NDArray[np.float32]]] = [[] for _ in range(phases)]
    for picture in pictures:
        for phase in range(phases):
            row, column, edge = _largest_square(picture.labels == phase)
            if edge >= SMALLEST:
                crops[phase].append(picture.grey[row : row + edge, column : column + edge])
    return crops if all(crops) else None


def _largest_square(mask: NDArray[np.bool_]) -> tuple[int, int, int]:
    """First row and column, and edge, of the largest square inside a mask (H, W); edge 0 where it is empty."""
    low, high = 0, min(mask.shape)
    area = np.pad(mask.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    place = (0, 0)
    while low < high:
        edge = (low + high + 1) // 2
        sums = area[edge:, edge:] - area[:-edge, edge:] - area[edge:, :-edge] + area[:-edge, :-edge]
        full = np.argwhere(sums == edge * edge)
        if len(full):
            low, place = edge, (int(full[0][0]), int(full[0][1]))
        else:
            high = edge - 1
    return *place, low

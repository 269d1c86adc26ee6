"""Points with what is offered as their answer, and its true quality, to learn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from matcurate.promptable.builtin.examples import objects_of, shares
from matcurate.promptable.builtin.network import UNet
from matcurate.promptable.builtin.offers import Offers
from matcurate.promptable.builtin.predictor import BuiltinPredictor, BuiltinSettings
from matcurate.promptable.builtin.quality import Judge
from matcurate.promptable.builtin.recipe import PromptRecipe
from matcurate.promptable.builtin.scene import Scene
from matcurate.promptable.builtin.stream import Pictures, cut

LEAST_ASKED = 16
"""Pixels; smaller objects are not asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What is offered for B points of one picture.

    Parameters
    ----------
    offers : Offers
        K regions for each point.
    overlap : float32 array (B, K)
        Their intersection over union with the object that the point was set on; 0 where none is offered.
    """

    offers: Offers
    overlap: NDArray[np.float32]


class AnswerExamples(Dataset[Answers]):
    """Item i holds answers to random points of random objects of picture i, the same whenever it is asked for.

    Parameters
    ----------
    pictures : Pictures
        What is segmented.
    network : UNet
        What says where the boundaries are; on the CPU, in evaluation mode.
    judge : Judge
        What says which regions are offered; on the CPU.
    recipe : PromptRecipe
        How pictures are cut and changed, and how many points are set.
    seed : int
        Non-negative.
    """

    def __init__(self, pictures: Pictures, network: UNet, judge: Judge, recipe: PromptRecipe, seed: int) -> None:
        self._pictures = pictures
        self._network = network
        self._judge = judge
        self._recipe = recipe
        self._seed = seed

    def __len__(self) -> int:
        return self._recipe.answered_pictures

    def __getitem__(self, index: int) -> Answers:
        rng = np.random.default_rng([self._seed, index, 3])
        picture = self._pictures.draw(rng)
        grey, ids, inside = cut(picture, self._recipe.crop, self._recipe.augmentation, rng)
        objects = objects_of(ids, inside.astype(np.int8))
        predictor = BuiltinPredictor(Scene.seen_by(self._network, grey.numpy()), self._judge, BuiltinSettings())
        sizes = np.bincount(objects.ravel())
        sizes[0] = 0
        asked = rng.permutation(np.flatnonzero(sizes >= LEAST_ASKED))[: self._recipe.points_per_picture]
        points = [int(rng.choice(np.flatnonzero(objects.ravel() == number))) for number in asked]
        found, offers = predictor.offers(np.array(points, dtype=np.int64)[:, None], np.ones((len(points), 1), np.int64))
        overlaps = []
        for nodes, member in zip(found, predictor.forest.members, strict=True):
            tree, part = member.hierarchy, np.zeros(nodes.shape)
            row = {int(number): place for place, number in enumerate(asked)}
            for number, size, shared in shares(tree, objects, tuple(row)):
                mine = nodes[row[number]]
                part[row[number]] = shared[mine] / (tree.area[mine] + size - shared[mine])
            overlaps.append(part)
        overlap = np.where(offers.there, np.concatenate(overlaps, axis=1), 0.0)
        return Answers(offers, overlap.astype(np.float32))

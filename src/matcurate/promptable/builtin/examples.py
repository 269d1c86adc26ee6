"""Regions with their true quality, to learn the quality of regions from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects
from skimage.measure import label
from torch.utils.data import Dataset

from matcurate.promptable.builtin.agglomeration import Splits
from matcurate.promptable.builtin.network import UNet
from matcurate.promptable.builtin.recipe import PromptRecipe
from matcurate.promptable.builtin.scene import Scene
from matcurate.promptable.builtin.stream import Pictures, cut
from matcurate.promptable.hierarchy import Hierarchy, Nodes
from matcurate.promptable.nested import FITTING, box_iou

LEAST_OBJECT = 4
"""Pixels; smaller objects are not asked for."""
LEAST_CHANCE = 0.02
"""Regions that fewer prompts than this reach, per object, are left out."""

CARELESS = 0.08
"""How far a side of a drawn box may lie from the object, as part of the box's length."""

Column = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Regions of one picture with what a prompt that they answer would find.

    Parameters
    ----------
    descriptors : float32 array (M, D)
        Of regions that a point reaches.
    overlap : float32 array (M,)
        Their expected intersection over union with the object that the point was set on.
    boxed_descriptors : float32 array (N, D + 1)
        Of regions whose bounding box is near that of an object, and the intersection over union of both boxes.
    boxed_overlap : float32 array (N,)
        Their intersection over union with that object.
    """

    descriptors: NDArray[np.float32]
    overlap: NDArray[np.float32]
    boxed_descriptors: NDArray[np.float32]
    boxed_overlap: NDArray[np.float32]


def objects_of(regions: NDArray[np.int32], inside: NDArray[np.int8]) -> NDArray[np.int32]:
    """Objects 1 … n (H, W): connected parts of regions that are not the matrix; 0 elsewhere."""
    parts = label(regions, background=-1, connectivity=1)
    return np.where(inside == 0, 0, parts).astype(np.int32)


def expected_overlap(tree: Hierarchy, objects: NDArray[np.int32]) -> tuple[Column, Column]:
    """What a random prompt that a region answers would find.

    A prompt is a random pixel of a random object k, and reaches the regions n on its path to the root.

    Parameters
    ----------
    tree : Hierarchy
        Of M regions over (H, W).
    objects : int32 array (H, W)
        Objects 1 …; 0 is none, and those under :data:`LEAST_OBJECT` pixels are not asked for.

    Returns
    -------
    overlap : float array (M,)
        Mean over the prompts that reach n of the intersection over union of n and k; 0 where none does.
    chance : float array (M,)
        Prompts that reach n, per object: the sum over k of the part of k inside n.
    """
    gained, chance = np.zeros(len(tree.area)), np.zeros(len(tree.area))
    for _, size, shared in shares(tree, objects):
        reached = shared / size
        chance += reached
        gained += reached * shared / (tree.area + size - shared)
    return gained / np.maximum(chance, 1e-12), chance


def shares(
    tree: Hierarchy, objects: NDArray[np.int32], wanted: Sequence[int] | None = None
) -> Iterator[tuple[int, int, Column]]:
    """Each (wanted) object's number, its size, and how many of its pixels each region holds (M,)."""
    flat = objects.ravel()[tree.order]
    sizes = np.bincount(flat)
    for number in np.flatnonzero(sizes >= LEAST_OBJECT):
        if number and (wanted is None or number in wanted):
            running = np.concatenate([[0], np.cumsum(flat == number)])
            shared = (running[tree.first + tree.area] - running[tree.first]).astype(np.float64)
            yield int(number), int(sizes[number]), shared


def box_around(places: tuple[slice, slice], rng: np.random.Generator) -> Column:
    """Box (4,) of top, left, bottom, right around an object, each side off by up to :data:`CARELESS` of its length."""
    rows, columns = places
    box = np.array([rows.start, columns.start, rows.stop, columns.stop], dtype=np.float64)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    lengths = np.array([height, width, height, width])
    return np.asarray(box + rng.uniform(-CARELESS, CARELESS, 4) * lengths, dtype=np.float64)


class RegionExamples(Dataset[Examples]):
    """Item i holds regions of picture i, the same whenever and wherever it is asked for.

    Parameters
    ----------
    pictures : Pictures
        What is segmented.
    network : UNet
        What says where the boundaries are; on the CPU, in evaluation mode.
    recipe : PromptRecipe
        How pictures are cut and changed, and how many regions are taken.
    seed : int
        Non-negative.
    splits : callable
        Judges seams.
    """

    def __init__(self, pictures: Pictures, network: UNet, recipe: PromptRecipe, seed: int, splits: Splits) -> None:
        self._splits = splits
        self._pictures = pictures
        self._network = network
        self._recipe = recipe
        self._seed = seed

    def __len__(self) -> int:
        return self._recipe.pictures

    def __getitem__(self, index: int) -> Examples:
        rng = np.random.default_rng([self._seed, index, 1])
        recipe, picture = self._recipe, self._pictures.draw(rng)
        grey, ids, inside = cut(picture, recipe.crop, recipe.augmentation, rng)
        return self._regions(Scene.seen_by(self._network, grey.numpy()), objects_of(ids, inside.astype(np.int8)), rng)

    def _regions(self, scene: Scene, objects: NDArray[np.int32], rng: np.random.Generator) -> Examples:
        recipe = self._recipe
        places = find_objects(objects)
        numbers = [number for number, place in enumerate(places, start=1) if place]
        drawn = rng.permutation(numbers)[: recipe.boxes_per_picture]
        boxes = {int(number): box_around(places[number - 1], rng) for number in drawn}
        reached, near = [], []
        regions = scene.regions(self._splits)
        for nested, described in zip(regions.hierarchies, regions.described, strict=True):
            overlap, chance = expected_overlap(nested.hierarchy, objects)
            likely = chance >= LEAST_CHANCE
            reached.append(np.column_stack([described, overlap, np.minimum(chance, 1)])[likely].astype(np.float32))
            near.append(_boxed(nested.hierarchy, described, objects, boxes))
        points, odds = np.split(np.concatenate(reached), [-1], axis=1)
        chosen = _drawn(len(points), recipe.regions_per_picture, rng, odds.ravel().astype(np.float64))
        pairs = np.concatenate(near)
        taken = _drawn(len(pairs), recipe.regions_per_picture, rng)
        return Examples(points[chosen, :-1], points[chosen, -1], pairs[taken, :-1], pairs[taken, -1])


def _boxed(
    tree: Hierarchy, described: NDArray[np.float32], objects: NDArray[np.int32], boxes: Mapping[int, Column]
) -> NDArray[np.float32]:
    """Descriptors, fit and overlap (N, D + 2) of the regions near each box."""
    rows: list[NDArray[np.float32]] = [np.zeros((0, described.shape[1] + 2), dtype=np.float32)]
    corners = tree.boxes.astype(np.float64)
    for number, size, shared in shares(tree, objects, tuple(boxes)):
        fit = box_iou(corners, boxes[number])
        near = fit >= FITTING
        overlap = shared / (tree.area + size - shared)
        rows.append(np.column_stack([described, fit, overlap])[near].astype(np.float32))
    return np.concatenate(rows)


def _drawn(count: int, most: int, rng: np.random.Generator, odds: Column | None = None) -> Nodes:
    """Numbers of at most ``most`` of ``count`` things, in proportion to their odds (count,)."""
    if count <= most:
        return np.arange(count)
    return rng.choice(count, most, replace=False, p=None if odds is None else odds / odds.sum())

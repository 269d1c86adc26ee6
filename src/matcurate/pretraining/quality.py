"""Teach the built-in network's quality estimator: which regions are what a click or a box was meant for."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import find_objects
from scipy.stats import spearmanr
from torch.nn import functional

from matcurate.errors import TrainingError
from matcurate.pretraining.crops import crop_of, disturbed
from matcurate.pretraining.pictures import Mixture
from matcurate.pretraining.recipe import QualityRecipe, Recipe
from matcurate.promptable.builtin.inference import output_maps
from matcurate.promptable.builtin.maps import ObjectMaps
from matcurate.promptable.builtin.network import ObjectNet
from matcurate.promptable.builtin.quality import QualityNet, RegionQuality
from matcurate.promptable.builtin.regions import regions_of
from matcurate.promptable.hierarchy import Hierarchy
from matcurate.promptable.nested import FITTING, box_iou
from matcurate.types import Progress

Rows = NDArray[np.float32]
Column = NDArray[np.float64]

LEAST_OBJECT = 16
"""Smallest object in pixels that is clicked on."""
CARELESS = 0.08
"""Largest error of a box on each side, as part of its length."""
KEPT_APART = 0.2
"""Last part of the pictures, on which the estimates are measured."""


@dataclass(frozen=True, slots=True)
class QualityReport:
    """Agreement of estimated and true intersection over union on pictures kept apart: rank correlation, mean error."""

    rank: float
    error: float
    boxed_rank: float
    boxed_error: float


def learn_quality(
    network: ObjectNet, mixture: Mixture, recipe: Recipe, seed: int, progress: Progress
) -> tuple[RegionQuality, QualityReport]:
    """Train an estimator on regions of augmented pictures that the network, in evaluation mode, finds.

    ``progress`` gets the number of pictures. Raises TrainingError when the pictures show too few objects.
    """
    options = recipe.quality
    points, boxes = [], []
    for number in range(options.pictures):
        rng = np.random.default_rng([seed, number, 7])
        grey, labels = crop_of(mixture.draw(rng), options.crop, recipe.augmentation, rng)
        grey, covered, _ = disturbed(grey, recipe.augmentation, rng)
        objects = np.where(covered, 0, labels.objects)
        clicked, boxed = examples(ObjectMaps(*output_maps(network, grey)), objects, options, rng)
        points.append(clicked)
        boxes.append(boxed)
        progress(number + 1, options.pictures, "regions")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        quality = RegionQuality(seed)
        rank, error = _fit(quality.points, points, options)
        boxed_rank, boxed_error = _fit(quality.boxes, boxes, options)
    return quality.eval(), QualityReport(rank, error, boxed_rank, boxed_error)


def examples(
    maps: ObjectMaps, objects: NDArray[np.int32], options: QualityRecipe, rng: np.random.Generator
) -> tuple[Rows, Rows]:
    """Measurements of regions, with their intersection over union with the object meant as the last column.

    Rows (N, D + 1) of regions around random pixels of random objects, and (K, D + 2) of regions near boxes drawn around
    them, with how their own boxes fit before the last column.
    """
    regions = regions_of(maps)
    tree, measured = regions.hierarchy, regions.measured
    points: list[Column] = [np.zeros((0, measured.shape[1] + 1))]
    boxes: list[Column] = [np.zeros((0, measured.shape[1] + 2))]
    places = find_objects(objects)
    sizes = np.bincount(objects.ravel())
    numbers = np.flatnonzero(sizes >= LEAST_OBJECT)
    corners = tree.boxes.astype(np.float64)
    for number in rng.permutation(numbers[numbers > 0])[: options.objects]:
        held = _held(tree, objects, int(number))
        overlap = held / (tree.area + sizes[number] - held)
        home = int(tree.home[rng.choice(np.flatnonzero(objects.ravel() == number))])
        path = np.fromiter(_path(tree, home), dtype=np.int64)
        chosen = path if len(path) <= options.regions else rng.choice(path, options.regions, replace=False)
        points.append(np.column_stack([measured[chosen], overlap[chosen]]))
        fit = box_iou(corners, _careless(places[number - 1], rng))
        near = np.flatnonzero(fit >= FITTING)
        near = near if len(near) <= options.regions else rng.choice(near, options.regions, replace=False)
        boxes.append(np.column_stack([measured[near], fit[near], overlap[near]]))
    return np.concatenate(points).astype(np.float32), np.concatenate(boxes).astype(np.float32)


def _held(tree: Hierarchy, objects: NDArray[np.int32], number: int) -> NDArray[np.float64]:
    """Pixels of an object in each region (M,)."""
    running = np.concatenate([[0], np.cumsum(objects.ravel()[tree.order] == number)])
    return np.asarray(running[tree.first + tree.area] - running[tree.first], dtype=np.float64)


def _path(tree: Hierarchy, node: int) -> Iterator[int]:
    while True:
        yield node
        if node == tree.root:
            return
        node = int(tree.parent[node])


def _careless(place: tuple[slice, slice], rng: np.random.Generator) -> NDArray[np.float64]:
    """Box (4,) of top, left, bottom, right around an object, each side off by a little."""
    rows, columns = place
    lengths = np.array([rows.stop - rows.start, columns.stop - columns.start] * 2, dtype=np.float64)
    box = np.array([rows.start, columns.start, rows.stop, columns.stop], dtype=np.float64)
    return np.asarray(box + rng.uniform(-CARELESS, CARELESS, 4) * lengths, dtype=np.float64)


def _fit(net: QualityNet, pictures: list[Rows], options: QualityRecipe) -> tuple[float, float]:
    """Train on the first pictures. Returns rank correlation and mean error on the last."""
    first = len(pictures) - max(1, round(KEPT_APART * len(pictures)))
    rows, apart = (torch.from_numpy(np.concatenate(part)) for part in (pictures[:first], pictures[first:]))
    if not len(rows) or not len(apart):
        raise TrainingError(
            "too few objects to learn the quality of answers from; raise quality.pictures in the recipe, and resume"
        )
    net.mean.copy_(rows[:, :-1].mean(dim=0))
    net.deviation.copy_(rows[:, :-1].std(dim=0, correction=0).clamp_min(1e-6))
    optimizer = torch.optim.AdamW(net.parameters(), lr=options.learning_rate, weight_decay=0.01)
    steps = options.epochs * max(1, len(rows) // options.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.learning_rate, total_steps=steps + 1)
    for _ in range(steps):
        batch = rows[torch.randint(len(rows), (options.batch,))]
        loss = functional.binary_cross_entropy_with_logits(net(batch[:, :-1]), batch[:, -1])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    estimated, true = net.rate(apart[:, :-1].numpy()), apart[:, -1].numpy()
    return float(spearmanr(estimated, true).statistic), float(np.abs(estimated - true).mean())

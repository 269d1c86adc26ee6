"""Training crops: a part of a picture, as another microscope, specimen, magnification or journal would show it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from matcurate.pretraining.overprint import barred, lettered, scratched
from matcurate.pretraining.pictures import UNKNOWN, Mixture, Picture, outline
from matcurate.pretraining.recipe import Augmentation, Recipe
from matcurate.promptable.builtin.standard import standardised
from matcurate.types import BoolMask

Grey = NDArray[np.float32]
FARTHEST_CONTACT = 2
"""Pixels of an object that another object is no farther from than this are contact."""


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """What is known of the pixels of a crop, arrays (n, n): see :class:`~matcurate.pretraining.pictures.Picture`."""

    objects: NDArray[np.int32]
    foreground: NDArray[np.int8]
    distance: Grey


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Standardised crops (B, 1, n, n) with their targets (B, 4, n, n) in [0, 1], -1 where unknown.

    ``sources`` (B,) are numbers of the sources in the mixture.
    """

    images: Tensor
    targets: Tensor
    sources: Tensor


def crop_of(picture: Picture, edge: int, options: Augmentation, rng: np.random.Generator) -> tuple[Grey, Labels]:
    """Cut a square of ``edge`` pixels out of a picture, magnified and turned. Grey values are in [0, 1]."""
    height, width = picture.grey.shape
    native = rng.random() < options.native
    magnification = 1.0 if native else _logarithmic(rng, options.scale)
    turned = not native and rng.random() < options.rotation
    margin = 1.42 if turned else 1.0
    side = min(max(16, round(margin * edge / magnification)), height, width)
    top, left = int(rng.integers(0, height - side + 1)), int(rng.integers(0, width - side + 1))
    here = slice(top, top + side), slice(left, left + side)
    wide = round(margin * edge)
    smooth = cv2.INTER_AREA if side > wide else cv2.INTER_CUBIC
    grey = _resized((picture.grey[here] / 255).astype(np.float32), wide, smooth)
    depth = _resized(picture.distance[here].astype(np.float32), wide, cv2.INTER_LINEAR)
    # Ids up to 2 ** 24 are exact in single precision.
    objects, known = (_nearest(ids[here], wide) for ids in (picture.objects, picture.foreground))
    if turned:
        about = cv2.getRotationMatrix2D((wide / 2, wide / 2), float(rng.uniform(0, 360)), 1.0)
        about = about - [[0, 0, (wide - edge) / 2]]
        grey, depth = (_turned(values, about, edge, cv2.INTER_LINEAR) for values in (grey, depth))
        objects, known = (_turned(values, about, edge, cv2.INTER_NEAREST) for values in (objects, known))
    quarter, mirror = int(rng.integers(4)), rng.random() < 0.5
    grey, depth, objects, known = (
        np.ascontiguousarray(np.rot90(values[:, ::-1] if mirror else values, quarter))
        for values in (grey, depth, objects, known)
    )
    inside = known > 0
    if rng.random() < options.drawn and (known >= 0).all() and inside.any():
        dark, bright = np.sort(rng.uniform(0, 1, 2))
        grey = np.where(inside == (grey[inside].mean() > grey.mean()), bright, dark).astype(np.float32)
    return np.clip(grey, 0, 1), Labels(objects.astype(np.int32), known.astype(np.int8), depth)


def disturbed(grey: Grey, options: Augmentation, rng: np.random.Generator) -> tuple[Grey, BoolMask, BoolMask]:
    """Change a crop (n, n) in [0, 1]; the result may have any range.

    Returns also where it is covered by letters, bars and borders (no object there), and where it is hidden by
    scratches, dots and beside letters (what is there is unknown), (n, n) each.
    """
    covered, hidden = np.zeros(grey.shape, dtype=np.bool_), np.zeros(grey.shape, dtype=np.bool_)
    grey = grey.copy()
    if rng.random() < options.scratched:
        hidden |= scratched(grey, rng)
    if rng.random() < options.blurred:
        grey = _blurred(grey, _logarithmic(rng, options.blur), rng)
    if rng.random() < options.shaded:
        grey = _shaded(grey, rng.uniform(*options.shading), rng)
    if rng.random() < 0.6:
        grey = np.clip(grey, 0, 1) ** _logarithmic(rng, options.gamma)
    if rng.random() < options.inverted:
        grey = 1 - grey
    spread = float(np.std(grey))
    if rng.random() < options.faint:
        grey = grey.mean() + (grey - grey.mean()) * rng.uniform(*options.contrast)
    if rng.random() < options.noisy:
        grey = grey + _noise(grey, _logarithmic(rng, options.noise) * min(1.0, 6 * spread), rng)
    if rng.random() < options.peppered:
        pixels = rng.random(grey.shape) < rng.uniform(0.002, 0.05)
        grey = np.where(pixels, rng.integers(0, 2, grey.shape), grey)
    grey = np.ascontiguousarray(np.clip(grey, 0, 1), dtype=np.float32)
    if rng.random() < options.lettered:
        covered |= lettered(grey, rng)
    if rng.random() < options.barred:
        covered |= barred(grey, rng)
    if rng.random() < options.compressed:
        grey = _compressed(grey, int(rng.integers(10, 61)))
    beside = cv2.dilate(covered.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return grey, covered, hidden | (beside & ~covered)


def targets_of(labels: Labels, covered: BoolMask, hidden: BoolMask) -> Grey:
    """Targets (4, n, n) of the network's outputs, -1 where unknown."""
    objects = labels.objects
    inside = objects > 0
    foreground = labels.foreground.astype(np.float32)
    foreground[covered & (foreground >= 0)] = 0
    around = np.ones((2 * FARTHEST_CONTACT + 1,) * 2, np.uint8)
    single = objects.astype(np.float32)
    highest = cv2.dilate(single, around)
    lowest = cv2.erode(np.where(inside, single, np.inf).astype(np.float32), around)
    contact = (inside & ((highest != single) | (lowest != single))).astype(np.float32)
    boundary = outline(objects).astype(np.float32)
    distance = labels.distance.copy()
    for target in (contact, boundary, distance):
        target[covered] = 0
    stack = np.stack([foreground, contact, boundary, distance])
    stack[:, hidden] = UNKNOWN
    return stack


class Crops(Dataset[Batch]):
    """Item i is the batch of step i, the same whenever and wherever it is asked for."""

    def __init__(self, mixture: Mixture, recipe: Recipe, seed: int) -> None:
        self._mixture, self._recipe, self._seed = mixture, recipe, seed

    def __len__(self) -> int:
        return self._recipe.steps

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng([self._seed, step])
        images, targets, sources = [], [], []
        for _ in range(self._recipe.batch):
            picture = self._mixture.draw(rng)
            grey, labels = crop_of(picture, self._recipe.crop, self._recipe.augmentation, rng)
            grey, covered, hidden = disturbed(grey, self._recipe.augmentation, rng)
            images.append(standardised(grey)[None])
            targets.append(targets_of(labels, covered, hidden))
            sources.append(self._mixture.names.index(picture.source))
        return Batch(torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(targets)), torch.tensor(sources))


def batches(mixture: Mixture, recipe: Recipe, seed: int, first: int) -> Iterator[Batch]:
    """Batches of step ``first`` to the last of the recipe, in order, whatever the number of processes."""
    steps: Sequence[int] = range(first, recipe.steps)
    yield from DataLoader(
        Crops(mixture, recipe, seed),
        batch_size=None,
        sampler=steps,
        num_workers=recipe.workers,
        worker_init_fn=_one_thread,
        prefetch_factor=4 if recipe.workers else None,
        # A forked process would inherit locks of OpenCV's and OpenMP's threads, which are not there to open them.
        multiprocessing_context="spawn" if recipe.workers else None,
    )


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _resized(values: Grey, edge: int, interpolation: int) -> Grey:
    return np.asarray(cv2.resize(values, (edge, edge), interpolation=interpolation), dtype=np.float32)


def _nearest(ids: NDArray[np.integer], edge: int) -> Grey:
    nearest = ((np.arange(edge) + 0.5) * len(ids) / edge).astype(np.int64)
    return ids[nearest[:, None], nearest].astype(np.float32)


def _turned(values: Grey, about: NDArray[np.floating], edge: int, interpolation: int) -> Grey:
    changed = cv2.warpAffine(values, about, (edge, edge), flags=interpolation, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(changed, dtype=np.float32)


def _logarithmic(rng: np.random.Generator, between: tuple[float, float]) -> float:
    return float(np.exp(rng.uniform(*np.log(between))))


def _blurred(grey: Grey, sigma: float, rng: np.random.Generator) -> Grey:
    stretch = float(np.exp(rng.uniform(-0.4, 0.4))) if rng.random() < 0.3 else 1.0  # astigmatism
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), sigmaX=sigma * stretch, sigmaY=sigma / stretch), dtype=np.float32)


def _shaded(grey: Grey, strength: float, rng: np.random.Generator) -> Grey:
    """A quadratic surface of a peak-to-peak height is added or multiplied."""
    rows, columns = np.mgrid[-1 : 1 : grey.shape[0] * 1j, -1 : 1 : grey.shape[1] * 1j]
    surface = sum(rng.normal() * term for term in (rows, columns, rows * columns, rows**2, columns**2))
    surface = (surface - surface.min()) / max(float(np.ptp(surface)), 1e-6) - 0.5
    changed = grey * (1 + strength * surface) if rng.random() < 0.5 else grey + strength * surface
    low, high = float(changed.min()), float(changed.max())
    return np.asarray(
        np.clip(changed, 0, 1) if rng.random() < 0.5 else (changed - low) / max(high - low, 1e-6), dtype=np.float32
    )


def _noise(grey: Grey, sigma: float, rng: np.random.Generator) -> Grey:
    noise: Grey = rng.standard_normal(grey.shape, dtype=np.float32)
    if rng.random() < 0.3:  # correlated, as after a reconstruction or an enlargement
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), float(rng.uniform(0.5, 1.2))), dtype=np.float32)
        noise /= max(float(noise.std()), 1e-6)
    if rng.random() < 0.3:  # counted electrons
        noise = noise * np.sqrt(np.clip(grey, 0.02, 1)) * 1.5
    return np.asarray(sigma * noise, dtype=np.float32)


def _compressed(grey: Grey, quality: int) -> Grey:
    levels = np.rint(np.clip(grey, 0, 1) * 255).astype(np.uint8)
    data = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    restored: Grey = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), dtype=np.float32)
    restored /= 255
    return restored

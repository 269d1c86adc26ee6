"""An endless stream of training crops, each a function of the seed and its number alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from matcurate.imaging.dataset import open_dataset
from matcurate.imaging.synth.registry import generate
from matcurate.promptable.builtin.augment import disturbed, resized, resized_ids, turned, window
from matcurate.promptable.builtin.recipe import Augmentation, Recipe
from matcurate.promptable.builtin.targets import dense_targets, insides, region_ids
from matcurate.types import LabelMap, Pixels

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A micrograph with its truth, ready to be cut.

    Parameters
    ----------
    grey : float32 array (H, W)
        In [0, 1].
    regions : int32 array (H, W)
        An id per pair of phase and instance.
    inside : int8 array (H, W)
        1 object, 0 matrix, -1 unknown.
    source : int
        Number of the kind, or of the folder, in :attr:`Pictures.sources`.
    """

    grey: NDArray[np.float32]
    regions: NDArray[np.int32]
    inside: NDArray[np.int8]
    source: int

    @classmethod
    def of(cls, pixels: Pixels, phases: LabelMap, instances: LabelMap | None, source: int) -> Picture:
        """Stretch the grey values of a micrograph (H, W) to [0, 1] and number its regions."""
        low, high = float(pixels.min()), float(pixels.max())
        grey = (pixels.astype(np.float32) - low) / (high - low if high > low else 1.0)
        return cls(grey.astype(np.float32), region_ids(phases, instances), insides(phases), source)


class Pictures(Protocol):
    """Where pictures come from."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the kinds and folders."""
        ...

    def draw(self, rng: np.random.Generator) -> Picture:
        """One picture."""
        ...


class Generated:
    """Pictures of every given kind, equally often.

    Parameters
    ----------
    kinds : sequence of str
        Registered kinds.
    edge : int
        Height and width in pixels.
    """

    def __init__(self, kinds: Sequence[str], edge: int) -> None:
        self.sources = tuple(kinds)
        self._edge = edge

    def draw(self, rng: np.random.Generator) -> Picture:
        """Generate one picture."""
        source = int(rng.integers(len(self.sources)))
        drawn = generate(self.sources[source], (self._edge, self._edge), rng)
        return Picture.of(drawn.pixels, drawn.phases, drawn.instances, source)


class Mixed:
    """Generated pictures, and micrographs of dataset folders, which are all held in memory.

    Parameters
    ----------
    generated : Generated
        Drawn with probability 1 - ``real_share``.
    folders : sequence of Path
        Dataset folders; each is drawn from equally often.
    real_share : float
        In [0, 1].

    Raises
    ------
    DatasetError, UnreadableImageError
        When a folder or a file in it cannot be read.
    """

    def __init__(self, generated: Generated, folders: Sequence[Path], real_share: float) -> None:
        self._generated = generated
        self._real_share = real_share if folders else 0.0
        self._folders = [
            tuple(_micrographs(folder, number)) for number, folder in enumerate(folders, start=len(generated.sources))
        ]
        self.sources = generated.sources + tuple("/".join(folder.absolute().parts[-2:]) for folder in folders)

    def draw(self, rng: np.random.Generator) -> Picture:
        """Draw one picture."""
        if rng.random() >= self._real_share:
            return self._generated.draw(rng)
        folder = self._folders[int(rng.integers(len(self._folders)))]
        return folder[int(rng.integers(len(folder)))]


def _micrographs(folder: Path, source: int) -> Iterable[Picture]:
    for sample in open_dataset(folder):
        loaded = sample.load()
        yield Picture.of(loaded.micrograph.pixels, loaded.phases, loaded.instances, source)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Crops of one or more pictures.

    Parameters
    ----------
    images : float32 tensor (B, 1, n, n)
        Grey values.
    targets : int8 tensor (B, heads, n, n)
        1, 0 or -1 (unknown) per head.
    sources : int64 tensor (B,)
        Where each crop comes from.
    """

    images: Tensor
    targets: Tensor
    sources: Tensor

    @classmethod
    def join(cls, parts: Sequence[Batch]) -> Batch:
        """One batch of several."""
        return cls(
            torch.cat([part.images for part in parts]),
            torch.cat([part.targets for part in parts]),
            torch.cat([part.sources for part in parts]),
        )


def cut(
    picture: Picture, crop: int, options: Augmentation, rng: np.random.Generator
) -> tuple[Tensor, NDArray[np.int32], NDArray[np.int32]]:
    """A square of a picture, changed: grey values (crop, crop), and its regions and insides there."""
    height, width = picture.grey.shape
    top, left, edge = window((height, width), crop, options, rng)
    here = slice(top, top + edge), slice(left, left + edge)
    grey = disturbed(resized(picture.grey[here], crop), options, rng)
    return grey, resized_ids(picture.regions[here], crop), resized_ids(picture.inside[here].astype(np.int32), crop)


class Crops(Dataset[Batch]):
    """Item i holds the crops of picture i, the same whenever and wherever it is asked for.

    Parameters
    ----------
    pictures : Pictures
        What is cut.
    recipe : Recipe
        How.
    seed : int
        Non-negative.
    """

    def __init__(self, pictures: Pictures, recipe: Recipe, seed: int) -> None:
        self._pictures = pictures
        self._recipe = recipe
        self._seed = seed

    def __getitem__(self, index: int) -> Batch:
        rng = np.random.default_rng([self._seed, index])
        picture = self._pictures.draw(rng)
        return Batch.join([self._crop(picture, rng) for _ in range(self._recipe.crops_per_picture)])

    def _crop(self, picture: Picture, rng: np.random.Generator) -> Batch:
        recipe = self._recipe
        grey, regions, inside = cut(picture, recipe.crop, recipe.augmentation, rng)
        # Exact in double precision, and turned together before anything is derived: right and below would turn too.
        stack = turned(torch.stack([grey.double(), *map(torch.from_numpy, (regions, inside))]), rng).numpy()
        targets = dense_targets(stack[1].astype(np.int32), stack[2].astype(np.int8), recipe.network.heads)
        image = torch.from_numpy(stack[:1].astype(np.float32))
        return Batch(image[None], torch.from_numpy(targets)[None], torch.tensor([picture.source]))


def batches(pictures: Pictures, recipe: Recipe, seed: int, first_step: int) -> DataLoader[Batch]:
    """Batches of step ``first_step``, …, ``recipe.steps`` - 1, in order, whatever the number of processes."""
    share = recipe.pictures_per_step
    numbers = range(first_step * share, recipe.steps * share)
    return DataLoader(
        Crops(pictures, recipe, seed),
        batch_size=share,
        sampler=numbers,
        num_workers=recipe.workers,
        collate_fn=Batch.join,
        worker_init_fn=one_thread,
        prefetch_factor=4 if recipe.workers else None,
        # A forked process would inherit locks of OpenCV's and OpenMP's threads, which are not there to open them.
        multiprocessing_context="spawn" if recipe.workers else None,
    )


def one_by_one(source: Dataset[T], workers: int) -> Iterator[T]:
    """Every item of a sized dataset, in order, whatever the number of processes."""
    yield from DataLoader(
        source,
        batch_size=None,
        num_workers=workers,
        worker_init_fn=one_thread,
        multiprocessing_context="spawn" if workers else None,
    )


def one_thread(worker: int) -> None:
    """A drawing process leaves the other cores to the training."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)

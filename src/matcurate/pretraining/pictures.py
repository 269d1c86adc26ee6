"""Labelled pictures to learn from: real micrographs in memory, generated ones in a pool on disk."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, maximum
from skimage.measure import label
from skimage.segmentation import find_boundaries

from matcurate.imaging import generate, open_dataset
from matcurate.types import BoolMask, LabelMap, Pixels

UNKNOWN = -1


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A micrograph (H, W), stretched from its darkest to its brightest pixel, with what is to be learned from it.

    ``objects`` are ids 1, 2, …, 0 the matrix; ``foreground`` 1 object, 0 matrix, -1 unknown; ``distance`` the depth
    inside the object over the largest in that object, 0 in the matrix; ``source`` a kind or folder.
    """

    grey: NDArray[np.uint8]
    objects: NDArray[np.int32]
    foreground: NDArray[np.int8]
    distance: NDArray[np.float16]
    source: str

    @classmethod
    def of(
        cls, pixels: Pixels, phases: LabelMap, instances: LabelMap | None, source: str, known: bool = True
    ) -> "Picture":
        """Number the objects of a labelled micrograph (H, W); ``known`` says whether the matrix is known."""
        low, high = float(pixels.min()), float(pixels.max())
        grey = (pixels.astype(np.float32) - low) * (255 / (high - low if high > low else 1.0))
        inside = phases > 0 if instances is None else instances > 0
        numbers = label(phases, background=0, connectivity=1) if instances is None else instances
        objects: NDArray[np.int32] = np.where(inside, numbers, 0).astype(np.int32)
        foreground = inside.astype(np.int8) if known else np.full(phases.shape, UNKNOWN, dtype=np.int8)
        return cls(np.rint(grey).astype(np.uint8), objects, foreground, relative_depth(objects), source)


def outline(objects: NDArray[np.int32]) -> BoolMask:
    """Pixels (H, W) with a 4-neighbour of another id: the outline is two pixels wide, one on each side."""
    return np.asarray(find_boundaries(objects, connectivity=1, mode="thick"), dtype=np.bool_)


def relative_depth(objects: NDArray[np.int32]) -> NDArray[np.float16]:
    """Distance (H, W) from the outline of the object, over the largest in that object; 0 in the matrix."""
    inner = (objects > 0) & ~outline(objects)
    if inner.all():  # one object fills the picture; its outline lies somewhere outside
        return np.ones(objects.shape, dtype=np.float16)
    depth = np.where(objects > 0, distance_transform_edt(inner) + 0.5, 0.0)
    deepest = np.asarray(maximum(depth, objects, index=np.arange(int(objects.max()) + 1)), dtype=np.float64)
    return np.asarray(depth / np.maximum(deepest, 0.5)[objects], dtype=np.float16)


class Folder:
    """Micrographs of a dataset folder, all in memory; DatasetError or UnreadableImageError when one cannot be read."""

    def __init__(self, path: Path, unknown: Sequence[str]) -> None:
        self.name = "/".join(path.absolute().parts[-2:])
        self.pictures: list[Picture] = []
        for sample in open_dataset(path):
            loaded = sample.load()
            self.pictures.append(
                Picture.of(
                    loaded.micrograph.pixels, loaded.phases, loaded.instances, self.name, self.name not in unknown
                )
            )

    def draw(self, rng: np.random.Generator) -> Picture:
        """One of the pictures."""
        return self.pictures[int(rng.integers(len(self.pictures)))]


class Pool:
    """Generated pictures of one kind, each made when it is first drawn and kept in a file, which may be deleted.

    There are ``size`` different ones of ``edge`` pixels along a side; picture ``i`` depends on the seed, the kind and
    ``i`` alone. ``known`` says whether the kind teaches what an object is.
    """

    def __init__(self, kind: str, edge: int, size: int, seed: int, folder: Path, known: bool) -> None:
        self.name = kind
        self._edge, self._size, self._seed, self._folder, self._known = edge, size, seed, folder, known

    def draw(self, rng: np.random.Generator) -> Picture:
        """One of the pictures."""
        return self.picture(int(rng.integers(self._size)))

    def picture(self, number: int) -> Picture:
        """Picture of a number, read from its file or made."""
        path = self._folder / f"{self.name}-{self._edge}-{self._seed}-{number}.npz"
        if not path.is_file():
            self._make(number, path)
        with np.load(path) as stored:
            phases, objects = stored["phases"], stored["objects"]
            return Picture.of(stored["grey"], phases, objects, self.name, self._known)

    def _make(self, number: int, path: Path) -> None:
        letters = int.from_bytes(self.name.encode(), "big")
        drawn = generate(self.name, (self._edge, self._edge), np.random.default_rng([self._seed, letters, number]))
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.stem}.{os.getpid()}.part.npz")  # two workers may draw the same number at once
        np.savez_compressed(part, grey=drawn.pixels, phases=drawn.phases, objects=drawn.instances.astype(np.uint32))
        part.replace(path)


class Mixture:
    """Draws from folders, together with probability ``real_share``, and from pools.

    ``shares`` are relative, of each source among those of its sort; 1 where a name is missing.
    """

    def __init__(
        self, folders: Sequence[Folder], pools: Sequence[Pool], shares: Mapping[str, float], real_share: float
    ) -> None:
        if not folders and not pools:
            raise ValueError("there must be at least one folder or generated kind to learn from")
        self._sources: tuple[Folder | Pool, ...] = (*folders, *pools)
        real = (real_share if pools else 1.0) if folders else 0.0
        self._odds = np.concatenate([_odds(folders, shares, real), _odds(pools, shares, 1 - real)])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the sources."""
        return tuple(source.name for source in self._sources)

    def draw(self, rng: np.random.Generator) -> Picture:
        """Draw one picture."""
        return self._sources[int(rng.choice(len(self._sources), p=self._odds))].draw(rng)


def _odds(sources: Sequence[Folder | Pool], shares: Mapping[str, float], total: float) -> NDArray[np.float64]:
    weights = np.array([shares.get(source.name, 1.0) for source in sources], dtype=np.float64)
    return weights * (total / weights.sum()) if len(weights) else weights

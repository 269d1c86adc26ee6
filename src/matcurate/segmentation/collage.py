"""Collages of textures with exact masks: as many as wanted, each made when it is asked for.

Patches are cropped from homogeneous images of each class, turned, flipped and enlarged, and joined along straight or
curved borders.

References
----------
K. Zhang et al., "A framework for supervised and unsupervised segmentation and classification of materials
microstructure images" (2025), section 2.3: collages; section 3.3: scale 1 to 1.1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from matcurate.config import Share, Strict
from matcurate.types import UNKNOWN

Grey = NDArray[np.float32]


class CollageSettings(Strict):
    """Size and layout of collages."""

    size: tuple[int, int] = Field(default=(256, 256), description="Rows and columns of a collage in pixels.")
    regions: tuple[int, int] = Field(default=(2, 5), description="Smallest and largest number of regions in a collage.")
    curved: Share = Field(
        default=0.5, description="Share of the collages with curved borders; the others are straight."
    )
    bend: float = Field(
        default=0.06, gt=0, le=0.5, description="Standard deviation of the bend of a border, as a share of the size."
    )
    rotation: float = Field(default=180.0, ge=0, le=180, description="Largest rotation in degrees, in both directions.")
    flip: Share = Field(default=0.5, description="Probability that a patch is mirrored.")
    scale: tuple[float, float] = Field(default=(1.0, 1.1), description="Range of the enlargement of a patch.")

    @model_validator(mode="after")
    def _ordered(self) -> CollageSettings:
        if min(self.size) < 8:
            raise ValueError(f"size must be 8 pixels or more, got {self.size}")
        if not 1 <= self.regions[0] <= self.regions[1]:
            raise ValueError(f"regions must be two numbers from 1, the smaller first, got {self.regions}")
        if not 0 < self.scale[0] <= self.scale[1] < math.inf:
            raise ValueError(f"scale must be two positive numbers, the smaller first, got {self.scale}")
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Collage:
    """A collage: ``grey`` (H, W), float32, and ``labels`` (H, W), uint8 class ids."""

    grey: Grey
    labels: NDArray[np.uint8]


class Collages:
    """An endless, repeatable series of collages.

    ``textures`` holds the images (h, w) of every class by its id, float32, of any size; continued by reflection where
    they are too small. Every collage has other classes, drawn alike, so that new ones and old ones are balanced. Raises
    ValueError when a class has no image, or an image is empty or not finite.
    """

    def __init__(self, textures: Sequence[Sequence[Grey]], settings: CollageSettings) -> None:
        if not 1 <= len(textures) <= UNKNOWN:
            raise ValueError(f"collages need 1 to {UNKNOWN} classes, got {len(textures)}")
        for number, images in enumerate(textures):
            if not images or any(image.ndim != 2 or not image.size or not np.isfinite(image).all() for image in images):
                raise ValueError(f"class {number} needs one or more finite images (h, w), none of them empty")
        self._textures = textures
        self._settings = settings

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self._textures)

    def collage(self, seed: int, index: int) -> Collage:
        """Make the collage of a number; the same seed and number give the same one."""
        settings, rng = self._settings, np.random.default_rng((seed, index))
        count = min(int(rng.integers(settings.regions[0], settings.regions[1] + 1)), self.classes)
        chosen = rng.permutation(self.classes)[:count].astype(np.uint8)
        areas = layout(settings.size, count, settings.bend if rng.random() < settings.curved else 0.0, rng)
        grey = np.zeros(settings.size, np.float32)
        for area, number in enumerate(chosen):
            images = self._textures[number]
            _paste(grey, areas == area, images[int(rng.integers(len(images)))], settings, rng)
        return Collage(grey, chosen[areas])


def layout(size: tuple[int, int], count: int, bend: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Divide (H, W) pixels into ``count`` areas, numbers from 0: nearest of random points, on a plane that is bent.

    Borders are straight when ``bend``, the standard deviation of the displacement over the size, is 0.
    """
    place = np.indices(size, dtype=np.float32) + np.float32(0.5)
    if bend:
        place += np.stack([_wave(size, bend, rng) for _ in range(2)])
    points = (_spread_points(count, rng) * size).astype(np.float32)
    distance = [(place[0] - row) ** 2 + (place[1] - column) ** 2 for row, column in points]
    areas: NDArray[np.uint8] = np.argmin(distance, axis=0).astype(np.uint8)
    return areas


def _spread_points(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Points (count, 2) in the unit square, each the one of ten that lies farthest from those before."""
    points = rng.random((1, 2))
    while len(points) < count:
        tried = rng.random((10, 2))
        gap = np.linalg.norm(tried[:, None] - points, axis=2).min(axis=1)
        points = np.vstack([points, tried[np.argmax(gap)]])
    return points


def _wave(size: tuple[int, int], bend: float, rng: np.random.Generator) -> Grey:
    """A smooth random field (H, W) with standard deviation ``bend`` times the smaller side."""
    coarse = rng.standard_normal((8, 8)).astype(np.float32)
    field = cv2.resize(coarse, (size[1] + size[1] // 2, size[0] + size[0] // 2), interpolation=cv2.INTER_CUBIC)
    inner = np.asarray(field[size[0] // 4 :][: size[0], size[1] // 4 :][:, : size[1]], np.float32)
    return inner * np.float32(bend * min(size) / max(float(inner.std()), 1e-6))


def _paste(
    grey: Grey, area: NDArray[np.bool_], image: Grey, settings: CollageSettings, rng: np.random.Generator
) -> None:
    """Fill an area of a collage (H, W) with a random patch of an image."""
    if not area.any():
        return
    rows, columns = (np.flatnonzero(area.any(axis=axis)) for axis in (1, 0))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    grey[box][area[box]] = _patch(image, area[box].shape, settings, rng)[area[box]]


def _patch(image: Grey, shape: tuple[int, ...], settings: CollageSettings, rng: np.random.Generator) -> Grey:
    """A patch (h, w) of an image, turned, mirrored and enlarged, that lies inside the image where it can."""
    turn = math.radians(rng.uniform(-settings.rotation, settings.rotation))
    step = 1 / rng.uniform(*settings.scale)
    cosine, sine = step * math.cos(turn), step * math.sin(turn)
    sign = -1.0 if rng.random() < settings.flip else 1.0
    matrix = np.array([[sign * cosine, -sine], [sign * sine, cosine]])  # of (x, y)
    corner = np.array([shape[1] - 1, shape[0] - 1]) / 2
    reach = np.abs(matrix) @ corner
    last = np.array([image.shape[1] - 1, image.shape[0] - 1])
    centre = np.where(2 * reach <= last, rng.uniform(reach, np.maximum(last - reach, reach)), rng.uniform(0, last + 1))
    warp = np.column_stack([matrix, centre - matrix @ corner])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(image, warp, (shape[1], shape[0]), flags=flags, borderMode=cv2.BORDER_REFLECT_101), np.float32
    )

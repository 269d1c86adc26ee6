"""Crops of one texture image per class: to learn from and to measure on, from parts that share no pixel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from matcurate.errors import DatasetError
from matcurate.imaging.read import find_images, read_micrograph
from matcurate.types import Pixels, Progress
from matcurate.uncertainty.embedding import Embedder

LEARNED = 64
"""Crops of a class to learn from."""
MEASURED = 13
"""Crops of a class to measure on, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class TextureClass:
    """Crops (N, crop, crop) of one image and their embeddings (N, D)."""

    name: str
    learned: Pixels
    measured: Pixels
    learned_embeddings: Pixels
    measured_embeddings: Pixels


def texture_classes(
    folder: Path, embed: Embedder, *, crop: int, rng: np.random.Generator, max_megapixels: float, progress: Progress
) -> list[TextureClass]:
    """Cut and embed every image of a folder.

    Measured are crops down the middle: columns (W - crop) / 2 to (W + crop) / 2, at evenly spaced rows. Learned are
    crops at random places left and right of it. Raises DatasetError when there is no image, two have one name, or one
    is too small for that; UnreadableImageError when an image cannot be read.
    """
    images, problems = find_images([folder])
    if problems:
        raise DatasetError(problems[0])
    names = [path.stem for path in images]
    if len(set(names)) != len(names):
        raise DatasetError(f"{folder}: two images have the same name; a class is named by its file")
    classes = []
    for done, path in enumerate(images):
        progress(done, len(images), path.stem)
        pixels = read_micrograph(path, max_megapixels=max_megapixels).pixels
        if pixels.shape[0] < crop or pixels.shape[1] < 3 * crop:
            raise DatasetError(
                f"{path}: {pixels.shape[1]} x {pixels.shape[0]} pixels hold no three crops of {crop} side by side; "
                "choose a smaller --crop"
            )
        learned, measured = learned_crops(pixels, crop, LEARNED, rng), measured_crops(pixels, crop)
        classes.append(TextureClass(path.stem, learned, measured, embed(learned), embed(measured)))
    return classes


def learned_crops(pixels: Pixels, crop: int, count: int, rng: np.random.Generator) -> Pixels:
    """Crops (count, crop, crop) from left and right of the middle strip of (H, W)."""
    height, width = pixels.shape
    strip = (width - crop) // 2
    crops = []
    for _ in range(count):
        top = int(rng.integers(height - crop + 1))
        right = bool(rng.integers(2))
        first, last = (strip + crop, width - crop) if right else (0, strip - crop)
        left = int(rng.integers(first, last + 1))
        crops.append(pixels[top : top + crop, left : left + crop])
    return np.stack(crops)


def measured_crops(pixels: Pixels, crop: int) -> Pixels:
    """Crops (n, crop, crop) down the middle strip of (H, W), as they are; 13 where there is room for them."""
    height, width = pixels.shape
    left = (width - crop) // 2
    tops = np.unique(np.linspace(0, height - crop, MEASURED).round().astype(int))
    return np.stack([pixels[top : top + crop, left : left + crop] for top in tops])

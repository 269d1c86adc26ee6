"""Raw masks as an ambiguous proposer leaves them, made from the truth: what SAM-I-Am's removal and merging are for.

Abebe et al. 2024, section 3.1 and figure 1, name what is drawn here: a layer in two halves, a region and its parent,
children inside a homogeneous layer, the same region twice, islands.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from matcurate.types import BoolMask, Candidate

SMALLEST = 16
"""Pixels; smaller masks are not proposed."""


def ambiguous_masks(instances: NDArray[np.uint32], rng: np.random.Generator) -> tuple[Candidate, ...]:
    """Raw masks of an image whose layers are ``instances`` (H, W), 0 being none, in random order.

    Every layer once, with an uneven outline; and besides, by chance: halves of it instead, a nearly equal mask, one to
    three large children, two to eight tiny ones, and its union with the layer that follows. Some layers are missed, but
    for a few islands.
    """
    proposals: list[BoolMask] = []
    layers = [instances == number for number in np.unique(instances) if number]
    for number, layer in enumerate(layers):
        if rng.random() < 0.1:  # missed
            proposals += _blobs(layer, rng, int(rng.integers(2, 6)), 0.01)
            continue
        proposals += _halves(layer, rng) if rng.random() < 0.35 else [_uneven(layer, rng)]
        if rng.random() < 0.5:
            proposals.append(_uneven(layer, rng))
        proposals += _blobs(layer, rng, int(rng.integers(1, 4)), 0.25)
        proposals += _blobs(layer, rng, int(rng.integers(2, 9)), 0.01)
        if number + 1 < len(layers) and rng.random() < 0.5:
            proposals.append(_uneven(layer | layers[number + 1], rng))
    masks = [_candidate(mask, rng) for mask in proposals if np.count_nonzero(mask) >= SMALLEST]
    return tuple(masks[index] for index in rng.permutation(len(masks)))


def _uneven(mask: BoolMask, rng: np.random.Generator) -> BoolMask:
    """The mask with an outline off by a few pixels."""
    noise = cv2.GaussianBlur(rng.normal(0, 1, mask.shape), (0, 0), 6)
    smooth = cv2.GaussianBlur(mask.astype(np.float64), (0, 0), 2)
    return np.asarray(smooth + 0.12 * noise / noise.std() > 0.5 + rng.uniform(-0.05, 0.05))


def _halves(layer: BoolMask, rng: np.random.Generator) -> list[BoolMask]:
    """Parts of a layer left and right of a wall, as an antiphase boundary makes them."""
    columns = np.flatnonzero(layer.any(axis=0))
    wall = columns[0] + rng.uniform(0.3, 0.7) * (columns[-1] - columns[0])
    left = np.arange(layer.shape[1]) < wall
    return [_uneven(layer & left, rng), _uneven(layer & ~left, rng)]


def _blobs(layer: BoolMask, rng: np.random.Generator, count: int, share: float) -> list[BoolMask]:
    """Discs inside a layer, each of about ``share`` of its area."""
    rows, columns = np.nonzero(layer)
    radius = np.sqrt(share * len(rows) / np.pi)
    down, across = np.ogrid[: layer.shape[0], : layer.shape[1]]
    centres = rng.integers(len(rows), size=count)
    sizes = radius * rng.uniform(0.7, 1.2, count)
    return [
        layer & ((down - rows[at]) ** 2 + (across - columns[at]) ** 2 < size**2)
        for at, size in zip(centres, sizes, strict=True)
    ]


def _candidate(mask: BoolMask, rng: np.random.Generator) -> Candidate:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Candidate(int(rows[0]), int(columns[0]), np.ascontiguousarray(box), float(rng.uniform(0.7, 1)))

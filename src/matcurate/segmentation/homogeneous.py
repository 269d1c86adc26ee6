"""Regions of one texture, found without labels: where crops may be cut that show one microstructure and no border.

Texture is the energy of Gabor wavelets over octaves, its mean over directions, and the grey level, in Gaussian windows
as wide as a crop. k-means divides the windows in two; the border stays when windows a crop apart on both sides of it
differ clearly more than windows a crop apart on one side do. So a coarse texture, whose windows differ everywhere, is
not divided, nor is one whose light or scale drifts. Parts that hold a whole crop are divided again.

References
----------
K. Zhang et al., "A framework for supervised and unsupervised segmentation and classification of materials
microstructure images" (2025), sections 2.1 and 2.2: homogeneous regions, and patches cut from them. There score vectors
of a fitted model are clustered; here windows of wavelet energies, which need no fitting.
A. K. Jain, F. Farrokhnia, "Unsupervised texture segmentation using Gabor filters", Pattern Recognition 24 (1991).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, distance_transform_edt, gaussian_filter, label

from matcurate.segmentation.boost.clustering import cluster
from matcurate.segmentation.boost.textures import FilterBank, FilterBankSettings
from matcurate.types import BoolMask, FloatArray, Pixels

VERSION = 1
"""Of the algorithm: another one finds the regions of stored micrographs again."""
CELLS = 8
"""Cells along a crop; its features are averaged over each."""
SMALLEST_CELL = 4
"""Pixels."""
FREQUENCY = 0.3
"""Of the wavelets, in cycles for each pixel of every octave."""
GREY = 3.0
"""A third of the grey range counts as much as a factor e in the energy of a wavelet."""
LEAST_UNIT = 0.1
"""Differences are in units of those between windows a crop apart, but of at least a tenth of that factor."""
CONTRAST = 3.0
"""Minimum ratio of the mean squared difference across a border to that within its sides."""
MEDIAN_OF_NORMAL = 0.9539
"""Square root of the median squared difference of two normal numbers of deviation 1."""

Cells = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TextureRegion:
    """A region of one texture that covers ``share`` of the image, in (0, 1].

    The other fields are the largest rectangle in it, in pixels; neither side is shorter than a crop, unless the image
    is.
    """

    top: int
    left: int
    height: int
    width: int
    share: float


def texture_regions(pixels: Pixels, crop: int, rng: np.random.Generator) -> tuple[TextureRegion, ...]:
    """Divide a finite micrograph (H, W) into connected regions of one texture each, the largest first.

    ``crop`` is the edge in pixels of the crops that are to be cut: regions that hold none belong to the nearest that
    does. The generator starts k-means. The whole image is one region where it shows one texture, or has no room for two
    crops.
    """
    height, width = pixels.shape
    labels = texture_labels(pixels, crop, rng)
    pitch = (height / labels.shape[0], width / labels.shape[1])
    regions = []
    for number in range(1, int(labels.max()) + 1):
        top, left, tall, wide = largest_rectangle(labels == number, _cells_of(crop, pitch))
        first, last = np.ceil([top * pitch[0], left * pitch[1]]), ((top + tall) * pitch[0], (left + wide) * pitch[1])
        row, column = int(first[0]), int(first[1])
        share = float((labels == number).mean())
        regions.append(TextureRegion(row, column, int(last[0]) - row, int(last[1]) - column, share))
    return tuple(sorted(regions, key=lambda region: (-region.share, region.top, region.left)))


def texture_labels(pixels: Pixels, crop: int, rng: np.random.Generator) -> Cells:
    """Numbers (h, w), from 1, of the regions of one texture that the cells of a micrograph (H, W) belong to.

    A cell is an eighth of a crop. Arguments as of :func:`texture_regions`.
    """
    cell = max(SMALLEST_CELL, crop // CELLS)
    shape = (-(-pixels.shape[0] // cell), -(-pixels.shape[1] // cell))
    labels = np.ones(shape, dtype=np.int64)
    edge = _cells_of(crop, (pixels.shape[0] / shape[0], pixels.shape[1] / shape[1]))
    if min(shape) < edge or max(shape) < 2 * edge:
        return labels
    features, done = _features(pixels, cell), 0
    waiting: list[BoolMask] = [np.ones(shape, dtype=np.bool_)]
    while waiting:
        part = waiting.pop()
        pieces = _parted(features, part, edge, rng)
        waiting.extend(pieces)
        if not pieces:
            done += 1
            labels[part] = done
    return labels


def largest_rectangle(mask: BoolMask, least: int) -> tuple[int, int, int, int]:
    """Top, left, height and width of the largest rectangle of True in a mask (h, w), each side at least ``least``.

    The first from the top if there are several; the whole mask if there is none.
    """
    largest, rectangle = 0, (0, 0, mask.shape[0], mask.shape[1])
    high = np.zeros(mask.shape[1] + 1, dtype=np.int64)  # the last column is never True and closes what is open
    for row in range(mask.shape[0]):
        high[:-1] = np.where(mask[row], high[:-1] + 1, 0)
        open_: list[tuple[int, int]] = []  # first column and height of rectangles that may still grow to the right
        for column, height in enumerate(high.tolist()):
            first = column
            while open_ and open_[-1][1] >= height:
                first, tall = open_.pop()
                wide = column - first
                if tall * wide > largest and min(tall, wide) >= least:
                    largest, rectangle = tall * wide, (row - tall + 1, first, tall, wide)
            open_.append((first, height))
    return rectangle


def _cells_of(crop: int, pitch: tuple[float, float]) -> int:
    """Cells along the edge of a crop, along either axis."""
    return int(np.ceil(crop / min(pitch) - 1e-6))


def _features(pixels: Pixels, cell: int) -> FloatArray:
    """Wavelet energies as logarithms, one for each octave, and the grey level: (h, w, C)."""
    bank = FilterBankSettings(cell=cell, frequencies=(FREQUENCY,), patterns=False)
    features = FilterBank(bank)(pixels)
    energies = features[..., :-1].reshape(*features.shape[:2], -1, bank.directions).mean(axis=-1)
    return np.asarray(np.concatenate([energies, GREY * features[..., -1:]], axis=-1), dtype=np.float64)


def _parted(features: FloatArray, part: BoolMask, edge: int, rng: np.random.Generator) -> list[BoolMask]:
    """Pieces (h, w) of a part, with a clear border between them; none where there is no such border."""
    one, other = _pairs(part, edge)
    if not len(one):
        return []
    windows = _windows(features, part, edge)
    apart = (windows[one] - windows[other]) ** 2
    unit = np.sqrt(np.median(apart, axis=0)) / MEDIAN_OF_NORMAL  # the median: pairs across a border are few
    windows = windows / np.maximum(unit, LEAST_UNIT)
    sides = np.zeros(part.shape, dtype=np.int64)
    sides[part] = cluster(windows[part.ravel()], 2, rng).labels_ + 1
    numbers = _pieces(sides, part, edge)
    flat, distance = numbers.ravel(), ((windows[one] - windows[other]) ** 2).sum(axis=1)
    across = flat[one] != flat[other]
    if numbers.max() < 2 or not across.any() or across.all():
        return []
    if distance[across].mean() < CONTRAST * (distance[~across].mean() + 1.0):  # a whole unit is no border yet
        return []
    return [numbers == number for number in range(1, int(numbers.max()) + 1)]


def _windows(features: FloatArray, part: BoolMask, edge: int) -> FloatArray:
    """Gaussian means (h * w, C) of features over the cells of a part, in windows about as wide as a crop."""
    sigma = edge / 4
    weight = np.maximum(gaussian_filter(part.astype(np.float64), sigma, mode="constant"), 1e-9)
    inside: FloatArray = np.where(part[..., None], features, 0.0)
    means = np.asarray(gaussian_filter(inside, (sigma, sigma, 0), mode="constant")) / weight[..., None]
    return np.asarray(means.reshape(part.size, -1))


def _pairs(part: BoolMask, edge: int) -> tuple[Cells, Cells]:
    """Flat indices (M,) of cells of a part that lie a crop apart in a row or a column."""
    place, flat = np.arange(part.size).reshape(part.shape), part.ravel()
    ends = [(place[:-edge].ravel(), place[edge:].ravel()), (place[:, :-edge].ravel(), place[:, edge:].ravel())]
    one, other = (np.concatenate(side) for side in zip(*ends, strict=True))
    both = flat[one] & flat[other]
    return one[both], other[both]


def _pieces(sides: Cells, part: BoolMask, edge: int) -> Cells:
    """Numbers (h, w), from 1, of the connected pieces of both sides that hold a crop; 0 outside of the part.

    Smaller pieces belong to the nearest of these.
    """
    numbers, count = np.zeros(part.shape, dtype=np.int64), 0
    for side in (1, 2):
        connected, several = label(sides == side)
        for number in range(1, several + 1):
            if binary_erosion(connected == number, np.ones((edge, edge))).any():
                count += 1
                numbers[connected == number] = count
    if not count:
        return part.astype(np.int64)
    nearest = distance_transform_edt(numbers == 0, return_distances=False, return_indices=True)
    return np.asarray(np.where(part, numbers[tuple(nearest)], 0))

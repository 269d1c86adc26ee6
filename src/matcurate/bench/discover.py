"""Compare discovered regions with the truth."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from matcurate.errors import ConfigError, DatasetError
from matcurate.imaging.labels import read_labels
from matcurate.imaging.read import read_micrograph
from matcurate.segmentation.discovery import Method, discover
from matcurate.types import UNKNOWN, LabelMap, Progress, silent

FEW = 64
"""Ids below this are numbers of regions, beside which 255 means unknown; in a mask of grey levels it is a region."""


@dataclass(frozen=True, slots=True)
class DiscoverBenchmark:
    """Number of regions, and the share of the pixels in the right one when each region is matched with one of truth."""

    regions_found: int
    regions_true: int
    pixel_accuracy: float
    seconds: float


def bench_discover(
    image: Path,
    truth: Path,
    *,
    engine: Method = "network",
    regions: int | None = None,
    seed: int = 0,
    max_megapixels: float = 400.0,
    progress: Progress = silent,
) -> DiscoverBenchmark:
    """Discover the regions of an image and compare them with a mask of region ids.

    Raises UnreadableImageError or DatasetError when a file cannot be read or the sizes differ, ConfigError when the
    image cannot be divided.
    """
    pixels, labels = read_micrograph(image, max_megapixels=max_megapixels).pixels, read_labels(truth)
    if labels.shape != pixels.shape:
        raise DatasetError(f"{truth}: {labels.shape} pixels, but {image} has {pixels.shape}; give both at one size")
    start = time.perf_counter()
    try:
        discovery = discover(pixels, engine, regions, seed=seed, progress=progress)
    except ConfigError as error:
        raise ConfigError(f"{image}: {error}") from error
    seconds = time.perf_counter() - start
    compared = labels != UNKNOWN
    others = np.unique(labels[compared])
    if len(others) < 2 or others.max() >= FEW:
        compared, others = np.ones(labels.shape, dtype=np.bool_), np.unique(labels)
    accuracy = matched_accuracy(discovery.labels[compared], labels[compared])
    return DiscoverBenchmark(discovery.count, len(others), accuracy, seconds)


def matched_accuracy(predicted: LabelMap, truth: LabelMap) -> float:
    """Share of equal ids (N,) after the best one-to-one matching of the regions; those left over are wrong.

    >>> matched_accuracy(np.array([1, 1, 2, 3], np.uint8), np.array([5, 5, 4, 4], np.uint8))
    0.75
    """
    rows, columns = (np.unique(labels, return_inverse=True)[1].ravel() for labels in (predicted, truth))
    table = np.zeros((rows.max() + 1, columns.max() + 1), np.int64)
    np.add.at(table, (rows, columns), 1)
    return float(table[linear_sum_assignment(-table)].sum() / len(rows))

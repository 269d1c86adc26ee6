"""Fields of an image, and the interval that their spread gives, as ASTM E562 and E112 take it from several fields."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.stats import t as student

from matcurate.morphology.numbering import Floats

Window = tuple[slice, slice]

CONFIDENCE = 0.95
FEWEST, MOST = 2, 6
"""Fields along each edge of the image."""
EDGE = 6.0
"""Shortest edge of a field over the correlation length; smaller fields would repeat each other and hide the spread."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over the whole image with its 95 % interval ``mean`` ∓ t s / √n, from the spread s of n ``fields``."""

    mean: float
    low: float
    high: float
    fields: int

    @property
    def relative_accuracy(self) -> float | None:
        """Half the interval over the mean (%RA / 100 of the standards); None when the mean is 0."""
        return (self.high - self.low) / 2 / self.mean if self.mean else None

    def clipped(self, low: float, high: float) -> "Estimate":
        """With the interval held inside the possible values."""
        return Estimate(self.mean, max(self.low, low), min(self.high, high), self.fields)


def estimate(mean: float, fields: Floats) -> Estimate:
    """Interval around ``mean`` from the values of n >= 2 fields (n,)."""
    n = len(fields)
    half = float(student.ppf(0.5 + CONFIDENCE / 2, n - 1) * np.std(fields, ddof=1) / np.sqrt(n))
    return Estimate(mean, mean - half, mean + half, n)


def windows(shape: tuple[int, ...], aspect: float, length: float) -> list[Window]:
    """Fields of an image (H, W) of pixels ``aspect`` times as high as wide, correlated over ``length`` pixel widths."""
    height, width = shape
    return list(split((height, width), fields_along((height * aspect, width), length)))


def fields_along(shape: tuple[float, float], length: float) -> int:
    """Fields along each edge, 2 to 6: as many as keep the short edge of a field at ``EDGE`` correlation lengths.

    ``shape`` (height, width) and ``length`` are in widths of a pixel.
    """
    return int(np.clip(min(shape) // max(EDGE * length, 1.0), FEWEST, MOST))


def split(shape: tuple[int, int], along: int) -> Iterator[Window]:
    """Part an image (H, W) into ``along`` x ``along`` windows of equal size, up to a pixel."""
    rows, columns = (np.linspace(0, edge, along + 1).astype(int) for edge in shape)
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            yield slice(top, bottom), slice(left, right)

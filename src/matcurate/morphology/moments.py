"""Areas, centroids and the ellipse of inertia, for all objects of a label map at once."""

from dataclasses import dataclass

import numpy as np

from matcurate.morphology.numbering import STRIP, Floats, Integers, LabelIds

ROUND = 1e-9
"""Relative difference of the two moments below which an object has no direction."""


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Moments of N objects, each (N,): pixels, centroid in columns and rows from the centre of the top left pixel.

    ``aspect_ratio`` is long over short axis of the ellipse with the same second moments; ``orientation`` the angle of
    the long axis in degrees in [0, 180), counter-clockwise from the x axis as one sees it; 0 for objects without a
    direction.
    """

    area: Floats
    x: Floats
    y: Floats
    aspect_ratio: Floats
    orientation: Floats


def measure_moments(compact: LabelIds, count: int, aspect: float = 1.0) -> Moments:
    """Sum over the pixels of objects 1…count (H, W); a pixel is a rectangle, so one of a x b squares has exactly a / b.

    ``aspect`` is the height of a pixel over its width.
    """
    runs = _Runs.of(compact)
    area = runs.sums(runs.length, count)
    x, y = runs.sums(runs.length * runs.middle, count) / area, runs.sums(runs.length * runs.row, count) / area
    # about the centroids, so that no digits are lost far from the origin
    dx, dy = runs.middle - x[runs.owner], runs.row - y[runs.owner]
    xx = runs.sums(runs.length * dx**2 + runs.length * (runs.length**2 - 1) / 12, count) / area
    yy = runs.sums(runs.length * dy**2, count) / area
    xy = runs.sums(runs.length * dx * dy, count) / area
    pixel = 1.0 / 12.0  # second moment of a square of edge 1
    return Moments(area, x, y, *_ellipse(xx + pixel, (yy + pixel) * aspect**2, -xy * aspect))


@dataclass(frozen=True, slots=True, eq=False)
class _Runs:
    """Stretches of one object along a row, each (R,): whose (0…N-1), where, and how long; far fewer than pixels."""

    owner: Integers
    row: Floats
    middle: Floats
    length: Floats

    @classmethod
    def of(cls, compact: LabelIds) -> "_Runs":
        height, width = compact.shape
        parts = []
        strip = max(1, STRIP // width)
        for top in range(0, height, strip):
            part = compact[top : top + strip]
            first = np.ones(part.shape, dtype=np.bool_)  # every row begins a run
            np.not_equal(part[:, 1:], part[:, :-1], out=first[:, 1:])
            start = np.flatnonzero(first)
            length = np.diff(start, append=part.size)
            inside = part.ravel()[start] > 0
            start, length = start[inside], length[inside]
            parts.append((part.ravel()[start] - 1, start // width + top, start % width, length))
        owner, row, left, length = (np.concatenate(column).astype(np.int64) for column in zip(*parts, strict=True))
        return cls(owner, row.astype(np.float64), left + (length - 1) / 2, length.astype(np.float64))

    def sums(self, values: Floats, count: int) -> Floats:
        """Add up the values (R,) of the runs of each of ``count`` objects."""
        return np.bincount(self.owner, values, minlength=count).astype(np.float64)


def _ellipse(xx: Floats, yy: Floats, xy: Floats) -> tuple[Floats, Floats]:
    """Aspect ratio and direction of the ellipse with these central second moments, y upwards."""
    half_sum, half_difference = (xx + yy) / 2, (xx - yy) / 2
    radius = np.hypot(half_difference, xy)
    ratio = np.sqrt((half_sum + radius) / (half_sum - radius))
    angle = np.degrees(np.arctan2(xy, half_difference)) / 2 % 180.0
    return ratio, np.where(radius > ROUND * half_sum, angle, 0.0)

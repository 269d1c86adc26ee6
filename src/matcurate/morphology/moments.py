"""Areas, centroids and the ellipse of inertia, for all objects of a label map at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from matcurate.morphology.numbering import STRIP, Floats, LabelIds

ROUND = 1e-9
"""Relative difference of the two moments below which an object has no direction."""


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Moments of N objects, each (N,).

    Parameters
    ----------
    area : float
        Number of pixels.
    x, y : float
        Centroid in pixels, from the centre of the top left pixel.
    aspect_ratio : float
        Long over short axis of the ellipse with the same second moments, at least 1.
    orientation : float
        Angle of the long axis in degrees in [0, 180), counter-clockwise from the x axis as one sees it; 0 for objects
        without a direction.
    """

    area: Floats
    x: Floats
    y: Floats
    aspect_ratio: Floats
    orientation: Floats


def measure_moments(compact: LabelIds, count: int) -> Moments:
    """Sum over the pixels of every object; a pixel is a square, so a rectangle of a x b pixels has exactly a / b.

    Parameters
    ----------
    compact : integer array (H, W)
        Ids 1…count without gaps, 0 is background.
    count : int
        Number of objects.
    """
    area, x, y = np.zeros((3, count))
    for ids, rows, columns in _strips(compact):
        area += np.bincount(ids, minlength=count + 1)[1:]
        x += np.bincount(ids, columns, minlength=count + 1)[1:]
        y += np.bincount(ids, rows, minlength=count + 1)[1:]
    x, y = x / area, y / area
    xx, yy, xy = np.zeros((3, count))
    for ids, rows, columns in _strips(compact):  # about the centroids: no digits are lost far from the origin
        dx, dy = columns - np.append(0.0, x)[ids], rows - np.append(0.0, y)[ids]
        xx += np.bincount(ids, dx * dx, minlength=count + 1)[1:]
        yy += np.bincount(ids, dy * dy, minlength=count + 1)[1:]
        xy += np.bincount(ids, dx * dy, minlength=count + 1)[1:]
    pixel = 1.0 / 12.0  # second moment of a square of edge 1
    return Moments(area, x, y, *_ellipse(xx / area + pixel, yy / area + pixel, -xy / area))


def _strips(compact: LabelIds) -> Iterator[tuple[LabelIds, Floats, Floats]]:
    """Ids, rows and columns of the pixels inside objects, a strip of the image at a time."""
    height, width = compact.shape
    step = max(1, STRIP // width)
    for top in range(0, height, step):
        rows, columns = np.nonzero(compact[top : top + step])
        yield compact[rows + top, columns], (rows + top).astype(np.float64), columns.astype(np.float64)


def _ellipse(xx: Floats, yy: Floats, xy: Floats) -> tuple[Floats, Floats]:
    """Aspect ratio and direction of the ellipse with these central second moments, y upwards."""
    half_sum, half_difference = (xx + yy) / 2, (xx - yy) / 2
    radius = np.hypot(half_difference, xy)
    ratio = np.sqrt((half_sum + radius) / (half_sum - radius))
    angle = np.degrees(np.arctan2(xy, half_difference)) / 2 % 180.0
    return ratio, np.where(radius > ROUND * half_sum, angle, 0.0)

"""Patches of an image and the seams between them, with sums that stay exact when patches are joined.

The shape is that of learned agglomeration (Nunez-Iglesias et al. 2013): everything a decision needs is a sum over
pixels or over pairs of neighbouring pixels, so joining two patches adds rows instead of looking at the image again.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.feature import peak_local_max
from skimage.segmentation import watershed

from matcurate.promptable.builtin.edges import Between, Field

Table = NDArray[np.float64]
Numbers = NDArray[np.int64]
Column = NDArray[np.float64]

CLEAR = 0.3
"""Boundary probability from which a pair of pixels counts as parted."""
FAINT = 0.02
"""Added to boundary probabilities before their logarithm."""
SCALES = ((1.0, 1), (2.0, 3), (4.0, 6))
"""Gaussian and distance, in pixels, at which the two sides of a seam are compared."""
THIN = 0.8
"""Standard deviation in pixels of the Gaussian before lines are looked for."""
SIGHT = 0.15
"""Weight of the image's own steps beside the learned boundaries, where the patches are made."""
FLAT = 1e-9
"""Added to slopes before a division, for images that have none."""
CALM = 1.5
"""Standard deviation in pixels of the Gaussian before patches are made."""

APART = 3
"""Least distance of two places from which patches grow, in pixels."""

PAIRS, PARTED, CLOSED, LOGARITHM, LINE, ROW, COLUMN, ROW2, COLUMN2, ROW_COLUMN = range(10)
STEP = 10
"""First of the steps in a row of seams, one for each of :data:`SCALES`; signed, from the lower to the higher number."""
AREA, GREY, GREY2, FRAME, ROUGH, DEEP = range(6)
PLACE = 6
"""First of row, column, row², column², row x column in a row of patches."""


@dataclass(frozen=True, slots=True, eq=False)
class Patches:
    """Patches 0 … N - 1 that tile an image, and the seams where two of them meet.

    Parameters
    ----------
    labels : int64 array (H, W)
        The patch of every pixel, as first made.
    home : int64 array (M,)
        The patch of today that each of the M first patches belongs to.
    sums : float array (N, 11)
        Of each patch: columns :data:`AREA` … and five moments from :data:`PLACE`.
    ends : int64 array (E, 2)
        Patches on both sides of each seam, the lower number first.
    seams : float array (E, 13)
        Of each seam: columns :data:`PAIRS` … and signed steps from :data:`STEP`.
    noise : float
        Standard deviation of the pixel noise, where the image's is 1.
    """

    labels: Numbers
    home: Numbers
    sums: Table
    ends: Numbers
    seams: Table
    noise: float

    @property
    def areas(self) -> Table:
        """Pixels (N,) of each patch."""
        return self.sums[:, AREA]

    def joined(self, together: Numbers) -> Patches:
        """Join patches: ``together`` (N,) holds the new number, 0 … K - 1, of each patch."""
        count = int(together.max()) + 1
        sums = _added(together, self.sums, count)
        ends = together[self.ends]
        apart = ends[:, 0] != ends[:, 1]
        ends, seams = _gathered(ends[apart], self.seams[apart], count)
        return Patches(self.labels, together[self.home], sums, ends, seams, self.noise)

    def map(self) -> Numbers:
        """The patch of today (H, W) of every pixel."""
        return self.home[self.labels]


def patches_of(parted: Between, grey: Field) -> Patches:
    """Patches of an image (H, W) along every boundary that it may have, learned or seen.

    Parameters
    ----------
    parted : Between
        Probability that two neighbours belong to different objects.
    grey : float array (H, W)
        Mean 0 and standard deviation 1.
    """
    slope = _slope(grey)
    strength = _smooth(parted.around / 4 + SIGHT * slope / (np.percentile(slope, 95) + FLAT), 1.0)
    basins = lowest(strength)
    markers = np.zeros(grey.shape, dtype=np.int32)
    markers[tuple(basins.T)] = np.arange(1, len(basins) + 1)
    labels: Numbers = np.zeros(grey.shape, dtype=np.int64)
    if len(basins) > 1:
        labels = watershed(strength, markers).astype(np.int64) - 1
    return summed(labels, parted, grey, slope)


def lowest(strength: Field) -> Numbers:
    """Row and column (K, 2) of the pixels that are the lowest within :data:`APART`, the lowest first.

    The same as scikit-image's ``peak_local_max`` of what is turned over, which looks at every two peaks even where none
    of them are equal.
    """
    size = 2 * APART + 1
    least = cv2.erode(strength, np.ones((size, size), dtype=np.uint8)).reshape(strength.shape)
    found = (strength == least) & (strength < strength.max())
    crowd = cv2.boxFilter(found.astype(np.float32), -1, (size, size), normalize=False, borderType=cv2.BORDER_CONSTANT)
    if (crowd.reshape(found.shape)[found] > 1.5).any():  # equal ones side by side
        return np.asarray(peak_local_max(-strength, min_distance=APART, exclude_border=False), dtype=np.int64)
    places = np.argwhere(found)
    return places[np.argsort(strength[found], kind="stable")]


def summed(labels: Numbers, parted: Between, grey: Field, slope: Field | None = None) -> Patches:
    """Given patches (H, W) of numbers 0 … N - 1 that all occur, with their sums; the slope (H, W) if it is known."""
    rows, columns = (axis.astype(np.float64) for axis in np.indices(grey.shape))
    frame = np.zeros(grey.shape)
    frame[[0, -1]] += 1
    frame[:, [0, -1]] += 1
    inside = [np.ones_like(grey), grey, grey**2, frame, _slope(grey) if slope is None else slope, parted.around / 4]
    values = [*inside, rows, columns, rows**2, columns**2, rows * columns]
    count = int(labels.max()) + 1
    sums: Table = np.stack([np.bincount(labels.ravel(), value.ravel(), count) for value in values], axis=1)
    ends, seams = _seams(labels, parted, grey, count)
    return Patches(labels, np.arange(count), sums, ends, seams, _noise(grey))


def _slope(grey: Field) -> Field:
    """Length (H, W) of the gradient of the calmed image."""
    calm = _smooth(grey, CALM)
    along = (np.gradient(calm, axis=axis) if calm.shape[axis] > 1 else np.zeros_like(calm) for axis in (0, 1))
    return np.asarray(np.hypot(*along), dtype=np.float64)


def _noise(grey: Field) -> float:
    """Standard deviation of the noise by the mean of a difference of Laplacians (Immerkær 1996)."""
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float64)
    return float(np.sqrt(np.pi / 2) * np.abs(cv2.filter2D(grey, -1, kernel)).mean() / 6)


def _seams(labels: Numbers, parted: Between, grey: Field, count: int) -> tuple[Numbers, Table]:
    ends, rows = [], []
    blurred = [_smooth(grey, blur) for blur in (THIN, *(blur for blur, _ in SCALES))]
    for values, turn in ((parted.right, False), (parted.below, True)):
        mine, beside = (labels.T, values.T) if turn else (labels, values)
        fine, *coarser = (image.T if turn else image for image in blurred)
        first, second = mine[:, :-1], mine[:, 1:]
        where = np.nonzero(first != second)
        rows_at, columns_at = where
        across, along = rows_at.astype(np.float64), columns_at + 0.5
        row, column = (along, across) if turn else (across, along)
        said = beside[where]
        table = [np.ones(len(said)), said, said > CLEAR, np.log(said + FAINT), _line(fine, rows_at, columns_at)]
        table += [row, column, row**2, column**2, row * column]
        one, other = first[where], second[where]
        sign = np.where(one < other, 1, -1)
        steps = (_step(image, rows_at, columns_at, apart) for image, (_, apart) in zip(coarser, SCALES, strict=True))
        table += [sign * step for step in steps]
        ends.append(np.sort(np.stack([one, other], axis=1), axis=1))
        rows.append(np.stack(table, axis=1).astype(np.float64))
    return _gathered(np.concatenate(ends), np.concatenate(rows), count)


def _gathered(ends: Numbers, seams: Table, count: int) -> tuple[Numbers, Table]:
    """One row for each pair of patches; where the order of the two is turned, so are the signs of the steps."""
    turned = ends[:, 0] > ends[:, 1]
    seams = seams.copy()
    seams[turned, STEP:] *= -1
    ends = np.sort(ends, axis=1)
    codes, which = np.unique(ends[:, 0] * count + ends[:, 1], return_inverse=True)
    return np.stack([codes // count, codes % count], axis=1), _added(which, seams, len(codes))


def _added(which: Numbers, table: Table, count: int) -> Table:
    added = np.zeros((count, table.shape[1]))
    for column in range(table.shape[1]):
        added[:, column] = np.bincount(which, table[:, column], count)
    return added


def _step(grey: Field, rows: Numbers, columns: Numbers, apart: int) -> Column:
    """Grey some pixels right of pairs that begin at some places minus that left of them."""
    right, left = np.minimum(columns + apart, grey.shape[1] - 1), np.maximum(columns + 1 - apart, 0)
    return np.asarray(grey[rows, right] - grey[rows, left])


def _line(grey: Field, rows: Numbers, columns: Numbers) -> Column:
    """By how much pairs that begin at some places are brighter than what lies three pixels to both sides."""
    right, left = np.minimum(columns + 3, grey.shape[1] - 1), np.maximum(columns - 2, 0)
    sides = (grey[rows, right] + grey[rows, left]) / 2
    return np.asarray((grey[rows, columns] + grey[rows, columns + 1]) / 2 - sides)


def _smooth(grey: Field, blur: float) -> Field:
    return np.asarray(cv2.GaussianBlur(np.ascontiguousarray(grey), (0, 0), blur).reshape(grey.shape), dtype=np.float64)

"""Polishing scratches, told from grain boundaries by their shape, and taken out.

A scratch is a thin line, darker or brighter than both its sides; it is straight, and longer than several grains; and
the grey on its two sides is the same, since it runs across grains and not between them. A boundary turns at every
junction, and most boundaries part unequal grey. MatSAM (Li et al. 2024, section 2.3) names the features of scratches as
a filter after segmentation; here they go before it, so that they disturb neither prompts nor hierarchies.

What is subtracted is the profile across a scratch, as it lasts along it: boundaries that it crosses stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, median_filter
from skimage.morphology import skeletonize

from matcurate.segmentation.baselines import canny_edges
from matcurate.segmentation.matsam.crops import crops
from matcurate.segmentation.relief import Grey
from matcurate.types import Pixels

Field = NDArray[np.float32]

SCALE = 1.2
"""Standard deviation in pixels of the Gaussian derivatives that show thin lines."""
DISTINCT = 4.0
"""Curvature from which a pixel is on a line, over the median curvature of its sign."""
SHORTEST, GRAINS = 64, 3.0
"""Least length of a scratch in pixels, and in mean distances between edges."""
GAP = 6
"""Pixels over which a line may be lost, where it crosses a boundary."""
CARRIED = 0.8
"""Least share of a scratch's length that shows a line."""
SAME_GREY = 12.0
"""Largest difference, in grey levels of the calm image, between the two sides of a scratch."""
BEND, REACH, SIDE = 3, 5, 8
"""Pixels by which a scratch may leave the straight line, half of what it disturbs, and where its sides end."""
LASTING = 41
"""Pixels along a scratch over which its profile is the same."""


@dataclass(frozen=True, slots=True, eq=False)
class Scratch:
    """A nearly straight line.

    Parameters
    ----------
    start, along : float array (2,)
        (x, y) of its first pixel, and the unit vector it runs along.
    offset : float array (n,)
        Pixels by which it lies beside the straight line, towards (-along[1], along[0]), at every pixel of its length.
    """

    start: NDArray[np.float64]
    along: NDArray[np.float64]
    offset: NDArray[np.float64]

    @property
    def across(self) -> NDArray[np.float64]:
        """Unit vector that its offsets count along."""
        return np.array([-self.along[1], self.along[0]])

    def sides(self, image: Field) -> Field:
        """Image (H, W) straightened along the scratch: (n, 2 * SIDE + 1), the scratch in the middle column."""
        offsets = self.offset[:, None, None] + np.arange(-SIDE, SIDE + 1)[:, None]
        places = self.start + np.arange(len(self.offset))[:, None, None] * self.along + offsets * self.across
        x, y = (places[..., axis].astype(np.float32) for axis in (0, 1))
        return np.asarray(cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), dtype=np.float32)


def edge_distance(grey: Grey) -> float:
    """Mean distance in pixels between two Canny edges along rows and columns; at most that between boundaries."""
    edges = canny_edges(np.asarray(cv2.GaussianBlur(grey, (5, 5), 0), dtype=np.uint8)).astype(np.bool_)
    met = np.count_nonzero(edges[:, 1:] & ~edges[:, :-1]) + np.count_nonzero(edges[1:] & ~edges[:-1])
    return 2 * grey.size / max(1, met)


def find_scratches(grey: Grey) -> tuple[Scratch, ...]:
    """Scratches of a calm micrograph (H, W); a bent one may come in several parts."""
    height, width = grey.shape
    shortest = max(SHORTEST, round(GRAINS * edge_distance(grey)))
    return tuple(
        Scratch(found.start + crop.frame[1::-1], found.along, found.offset)
        for crop in crops((height, width))
        for found in _scratches(np.ascontiguousarray(crop.cut(grey)), shortest)
    )


def without(pixels: Pixels, scratches: Sequence[Scratch]) -> Pixels:
    """Micrograph (H, W) of uint8, uint16 or float with the profiles of scratches subtracted, in its own type."""
    image = pixels.astype(np.float32)
    for scratch in scratches:  # one after the other: what is found twice is nought the second time
        _subtract(image, scratch)
    if pixels.dtype.kind == "f":
        return np.asarray(image, dtype=pixels.dtype)
    limits = np.iinfo(pixels.dtype)
    return np.asarray(np.rint(np.clip(image, limits.min, limits.max)), dtype=pixels.dtype)


def _scratches(grey: Grey, shortest: int) -> Iterator[Scratch]:
    if max(grey.shape) < shortest or np.ptp(grey) == 0:
        return
    level = grey.astype(np.float32)
    for curvature in _curvatures(level):
        threshold = max(DISTINCT * float(np.median(curvature)), 1e-3)
        thin = skeletonize(curvature > threshold).astype(np.uint8)
        lines = cv2.HoughLinesP(thin, 1, np.pi / 360, shortest // 2, minLineLength=shortest, maxLineGap=GAP)
        for x0, y0, x1, y1 in np.reshape(lines, (-1, 4)).tolist() if lines is not None else []:
            scratch = _traced(curvature, (x0, y0), (x1, y1))
            near = scratch.sides(curvature)[:, SIDE - 1 : SIDE + 2].max(axis=1)
            if float(np.mean(near > threshold)) >= CARRIED and _same_grey(scratch.sides(level)):
                yield scratch


def _traced(curvature: Field, start: tuple[int, int], end: tuple[int, int]) -> Scratch:
    """Line of the strongest curvature within ``BEND`` pixels of a straight one, smooth."""
    first, last = np.array(start, dtype=np.float64), np.array(end, dtype=np.float64)
    length = float(np.hypot(*(last - first)))
    straight = Scratch(first, (last - first) / length, np.zeros(int(length) + 1))
    strongest = np.argmax(straight.sides(curvature)[:, SIDE - BEND : SIDE + BEND + 1], axis=1) - BEND
    return Scratch(first, straight.along, median_filter(strongest, 9, mode="nearest").astype(np.float64))


def _same_grey(sides: Field) -> bool:
    one, other = (np.median(side, axis=1) for side in (sides[:, : SIDE - REACH], sides[:, REACH - SIDE :]))
    return abs(float(np.median(one - other))) <= SAME_GREY


def _subtract(image: Field, scratch: Scratch) -> None:
    """Take the lasting profile of a scratch out of an image (H, W), in place."""
    sides = scratch.sides(image)
    one, other = (np.median(side, axis=1) for side in (sides[:, : SIDE - REACH], sides[:, REACH - SIDE :]))
    share = np.linspace(0, 1, 2 * SIDE + 1)
    above = sides - (one[:, None] * (1 - share) + other[:, None] * share)
    profile = median_filter(above, size=(LASTING, 1), mode="nearest")
    profile[:, np.abs(np.arange(-SIDE, SIDE + 1)) > REACH] = 0
    end = scratch.start + (len(scratch.offset) - 1) * scratch.along
    left, top = np.maximum(np.floor(np.minimum(scratch.start, end)).astype(int) - SIDE, 0)
    right, bottom = np.ceil(np.maximum(scratch.start, end)).astype(int) + SIDE + 1
    window = image[top:bottom, left:right]
    rows, columns = np.indices(window.shape)
    x, y = columns + left - scratch.start[0], rows + top - scratch.start[1]
    position = x * scratch.along[0] + y * scratch.along[1]
    offset = np.interp(position, np.arange(len(scratch.offset)), scratch.offset)
    beside = x * scratch.across[0] + y * scratch.across[1] - offset
    window -= map_coordinates(profile, [position, beside + SIDE], order=1, mode="constant", cval=0.0)


def _curvatures(level: Field) -> tuple[Field, Field]:
    """Curvature across dark lines and across bright lines, >= 0, in grey levels for each square pixel."""
    smooth = cv2.GaussianBlur(level, (0, 0), SCALE)
    xx, yy, xy = (
        cv2.Sobel(smooth, cv2.CV_32F, *order, ksize=3, scale=scale)
        for order, scale in (((2, 0), 1 / 4), ((0, 2), 1 / 4), ((1, 1), 1 / 4))
    )
    half = np.hypot((xx - yy) / 2, xy)
    mean = (xx + yy) / 2
    dark, bright = np.clip(mean + half, 0, None), np.clip(half - mean, 0, None)
    return np.asarray(dark, dtype=np.float32), np.asarray(bright, dtype=np.float32)

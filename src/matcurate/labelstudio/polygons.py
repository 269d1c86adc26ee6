"""Instances as closed polygons in Label Studio's percent coordinates, traced along pixel edges.

A polygon's pixels are those whose centre it encloses (even-odd rule). Outlines run along pixel edges, so at
tolerance 0 tracing and filling again gives the same pixels, holes included: Label Studio's polygons have no
holes, so a hole is joined to its outline by a cut of zero width that runs there and back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.measure import label

from matcurate.types import BoolMask, FloatArray, LabelMap

Points = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """One closed polygon of an instance (id 1 or more).

    ``points`` (N, 2): x along the width, y, in pixels from the top left corner of the image; N >= 3, none repeated.
    """

    instance: int
    points: Points

    @property
    def area(self) -> float:
        """Enclosed area in pixels, without holes."""
        return abs(_twice_area(self.points)) / 2


def trace_outlines(instances: LabelMap, tolerance: float = 0.0) -> list[Outline]:
    """Trace every 4-connected component of every instance (H, W; 0 is background), in the order of their ids.

    ``tolerance`` is the largest distance in pixels between an outline and its simplification (Douglas and Peucker
    1973); at 0 the outline is exact.
    """
    components: NDArray[np.integer] = label(instances, connectivity=1, background=0)
    outlines: list[Outline] = []
    holes: dict[int, list[Points]] = {}
    outer: dict[int, Points] = {}
    for component, points in _loops(components):
        simple = _simplify(points, tolerance)
        # clockwise with y down: an outline has positive area, a hole negative
        if _twice_area(points) > 0:
            outer[component] = simple
        else:
            holes.setdefault(component, []).append(simple)
    first = np.unique(components, return_index=True)
    instance_of = dict(zip(first[0].tolist(), instances.ravel()[first[1]].tolist(), strict=True))
    for component, points in outer.items():
        outlines.append(Outline(instance_of[component], _join(points, holes.get(component, []))))
    return sorted(outlines, key=lambda outline: outline.instance)


def fill_polygon(points: FloatArray, shape: tuple[int, int]) -> tuple[tuple[slice, slice], BoolMask]:
    """Fill a closed polygon: pixels whose centre lies inside, by the even-odd rule.

    ``points`` (N, 2) are (x, y) in pixels and may reach beyond the image; pixel (row r, column c) has its centre at
    x = c + 0.5, y = r + 0.5. Returns the window (rows, columns) of the image that the polygon can touch, and the mask
    of that window.
    """
    corners = np.asarray(points, dtype=np.float64)
    left, top = _first_centre(corners.min(axis=0), shape)
    right, bottom = _first_centre(corners.max(axis=0), shape)
    upper, lower = corners, np.roll(corners, -1, axis=0)
    # both directions of a cut must give the same numbers: every side is followed downwards
    falls = (upper[:, 1] <= lower[:, 1])[:, None]
    upper, lower = np.where(falls, upper, lower), np.where(falls, lower, upper)
    first = _first_centre(upper, shape)[1]
    crossed = _first_centre(lower, shape)[1] - first
    side = np.repeat(np.arange(len(corners)), crossed)
    row = np.arange(len(side)) - (np.cumsum(crossed) - crossed - first)[side]
    x0, y0 = upper[side].T
    x1, y1 = lower[side].T
    x = x0 + (row + 0.5 - y0) / (y1 - y0) * (x1 - x0)
    column = np.clip(np.ceil(x - 0.5), left, right).astype(np.intp)
    size = (int(bottom - top), int(right - left) + 1)
    flips = np.bincount((row - top) * size[1] + column - left, minlength=size[0] * size[1])
    inside = (np.cumsum(flips.reshape(size), axis=1) & 1).astype(np.bool_)[:, :-1]
    return (slice(int(top), int(bottom)), slice(int(left), int(right))), inside


def to_percent(points: FloatArray, shape: tuple[int, ...]) -> list[list[float]]:
    """Pixels to Label Studio's percent: x of the width, y of the height. ``shape`` is (H, W)."""
    height, width = shape
    scaled: list[list[float]] = (np.asarray(points) * (100.0 / np.array([width, height]))).tolist()
    return scaled


def from_percent(points: Sequence[Sequence[float]] | FloatArray, shape: tuple[int, int]) -> Points:
    """Label Studio's percent to pixels (N, 2): x of the width, y of the height. ``shape`` is (H, W)."""
    height, width = shape
    return np.asarray(points, dtype=np.float64) * (np.array([width, height]) / 100.0)


def _first_centre(position: Points, shape: tuple[int, int]) -> Index:
    """Index of the first pixel centre at or beyond each coordinate (x, y), inside the image or just after it."""
    height, width = shape
    first: Index = np.clip(np.ceil(position - 0.5), 0, np.array([width, height])).astype(np.intp).T
    return first


def _loops(components: NDArray[np.integer]) -> Iterator[tuple[int, Points]]:
    """Closed chains of pixel sides with the component on the right, reduced to their corners (x, y)."""
    padded = np.pad(components, 1)
    pitch = padded.shape[1]
    pixels = padded.ravel()
    beyond = np.array([-pitch, 1, pitch, -1])  # the neighbour across the top, right, bottom and left side
    inside = np.flatnonzero(pixels)
    which, side = np.nonzero(pixels[inside][:, None] != pixels[inside[:, None] + beyond])
    if len(which) == 0:
        return
    pixel = inside[which]
    follower = _followers(pixels, pixel, side, beyond)
    order, cycle = _walk_cycles(follower)
    previous = np.empty_like(follower)
    previous[follower] = np.arange(len(follower))
    turns = side[order] != side[previous[order]]
    order, cycle = order[turns], cycle[turns]
    # clockwise, a top side begins at its pixel's top left corner, a right side at the top right, and so on
    x = pixel[order] % pitch - 1 + np.isin(side[order], (1, 2))
    y = pixel[order] // pitch - 1 + np.isin(side[order], (2, 3))
    corners = np.stack([x, y], axis=1).astype(np.float64)
    starts = np.flatnonzero(np.diff(cycle, prepend=-1))
    for start, points in zip(starts, np.split(corners, starts[1:]), strict=True):
        yield int(pixels[pixel[order[start]]]), points


def _followers(pixels: NDArray[np.integer], pixel: Index, side: Index, beyond: Index) -> Index:
    """For every side the next one along its component, clockwise; components touching at a corner stay apart."""
    number = np.empty(4 * len(pixels), dtype=np.intp)
    number[4 * pixel + side] = np.arange(len(pixel))
    own = pixels[pixel]
    ahead = pixel + beyond[(side + 1) % 4]
    diagonal = ahead + beyond[side]
    goes_on = pixels[ahead] == own
    turns_left = goes_on & (pixels[diagonal] == own)
    next_pixel = np.where(turns_left, diagonal, np.where(goes_on, ahead, pixel))
    next_side = np.where(turns_left, side + 3, np.where(goes_on, side, side + 1)) % 4
    followers: Index = number[4 * next_pixel + next_side]
    return followers


def _walk_cycles(follower: Index) -> tuple[Index, Index]:
    """Order in which a permutation's cycles are walked, each from its lowest member, and each one's cycle.

    Pointer doubling: log2 of the longest cycle vector passes (Wyllie 1979).
    """
    lowest = np.arange(len(follower))
    hop = follower
    while True:
        lower = np.minimum(lowest, lowest[hop])
        if np.array_equal(lower, lowest):
            break
        lowest, hop = lower, hop[hop]
    last = follower == lowest
    hop = np.where(last, np.arange(len(follower)), follower)
    to_go = (~last).astype(np.intp)
    while not last[hop].all():
        to_go, hop = to_go + to_go[hop], hop[hop]
    order = np.lexsort((-to_go, lowest))
    return order, lowest[order]


def _twice_area(points: Points) -> float:
    x, y = points.T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def _simplify(points: Points, tolerance: float) -> Points:
    """Closed Douglas-Peucker; a chain that would fall below a triangle stays as it is."""
    if tolerance <= 0:
        return points
    simple = cv2.approxPolyDP(points.astype(np.float32)[:, None], tolerance, True)[:, 0].astype(np.float64)
    return simple if len(simple) >= 3 else points


def _join(points: Points, holes: Sequence[Points]) -> Points:
    """Join holes to their outline by cuts that run there and back."""
    for hole in holes:
        nearest = int(np.argmin(np.sum((points - hole[0]) ** 2, axis=1)))
        points = np.concatenate([points[: nearest + 1], hole, hole[:1], points[nearest:]])
    return points

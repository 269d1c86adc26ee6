"""Outlines of objects: perimeter, convex hull and Feret diameters, for all objects of a label map at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from matcurate.morphology.numbering import Floats, Integers, LabelIds

STRAIGHT, DIAGONAL, CORNER = 0.980, 1.406, -0.091
"""Length of a step along the axes, of a diagonal step, and of a change of direction in a chain code.

Vossepoel and Smeulders 1982: unbiased for straight lines of any direction, standard error below 1 %. For pixels that
are not square :func:`step_lengths` fits them again.
"""
_ANGLES = 2000
BUDGET = 2**21
"""Numbers per intermediate array; bounds memory."""
_CORNERS = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]], dtype=np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class Outlines:
    """What the outlines of N objects say, each (N,); lengths in widths of a pixel. Perimeters include those of holes.

    ``hull_pixels`` have their centres in the convex hull of the object's pixel centres: no more than it has itself when
    it is a convex shape on the pixel grid, however small. Feret diameters are the largest and smallest distance of two
    parallel tangents to the pixels, which are rectangles.
    """

    perimeter: Floats
    hull_pixels: Floats
    feret_max: Floats
    feret_min: Floats


@dataclass(frozen=True, slots=True)
class StepLengths:
    """What a step along a row, a column and a diagonal of a chain code adds to a length, in widths of a pixel.

    The corners are changes between a diagonal step and one along a row, and one along a column; their mean for others.
    """

    row: float
    column: float
    diagonal: float
    row_corner: float
    column_corner: float


@lru_cache(maxsize=32)
def step_lengths(aspect: float) -> StepLengths:
    """Step lengths for pixels ``aspect`` times as high as wide, unbiased for straight lines of all directions.

    Least squares of the relative error over the directions, as Vossepoel and Smeulders take it for square pixels, for
    which it gives their numbers. A line that goes 1 column and m <= 1 rows on has 1 - m steps along the row, m diagonal
    ones, and 2 min(m, 1 - m) corners; a steeper one accordingly.
    """
    if aspect == 1.0:
        return StepLengths(STRAIGHT, STRAIGHT, DIAGONAL, CORNER, CORNER)
    angle = (np.arange(_ANGLES) + 0.5) / _ANGLES * np.pi / 2
    columns, rows = np.cos(angle), np.sin(angle) / aspect  # of a line of length 1
    diagonal = np.minimum(columns, rows)
    straight = np.maximum(columns, rows) - diagonal
    corners = 2 * np.minimum(diagonal, straight)
    flat = columns >= rows
    steps = np.stack([straight * flat, straight * ~flat, diagonal, corners * flat, corners * ~flat], axis=1)
    fitted = np.linalg.lstsq(steps, np.ones(_ANGLES), rcond=None)[0]
    return StepLengths(*fitted.tolist())


def measure_outlines(compact: LabelIds, boxes: Sequence[tuple[slice, slice]], aspect: float = 1.0) -> Outlines:
    """Trace and measure objects 1…N (H, W), each in its box; an id may be in several pieces.

    Vossepoel and Smeulders, "Vector code probability and metrication error in the representation of straight lines of
    finite length", Computer Graphics and Image Processing 20 (1982) 347-364. J. Steiner's formula: a convex outline
    moved outwards by half a square pixel is longer by π; by half a pixel that is not square (height over width
    ``aspect``), by the perimeter of the ellipse in the pixel (S. Ramanujan's approximation).
    """
    chains: list[NDArray[np.int32]] = []
    owners: list[int] = []
    holes: list[bool] = []
    hulls: list[NDArray[np.int32]] = []
    for index, box in enumerate(boxes):
        crop = (compact[box] == index + 1).view(np.uint8)
        contours, tree = cv2.findContours(crop, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        inner = tree[0, :, 3] >= 0
        chains += [chain[:, 0] for chain in contours]
        owners += [index] * len(contours)
        holes += inner.tolist()
        outer = [chain for chain, hole in zip(contours, inner, strict=True) if not hole]
        hulls.append(cv2.convexHull(outer[0] if len(outer) == 1 else np.concatenate(outer))[:, 0])
    lengths = _chain_lengths(chains, np.array(holes, dtype=np.bool_), aspect)
    perimeter = np.bincount(np.array(owners, dtype=np.int64), weights=lengths, minlength=len(hulls))
    ferets = _feret_diameters([_corner_hull(hull) for hull in hulls], aspect)
    return Outlines(perimeter.astype(np.float64), _hull_pixels(hulls), *ferets)


def _corner_hull(hull: NDArray[np.int32]) -> NDArray[np.int32]:
    """Convex hull (L, 2) of the corners of the pixels at ``hull`` (K, 2), in half pixels."""
    corners = (2 * hull[:, None] + _CORNERS).reshape(-1, 1, 2)
    return np.asarray(cv2.convexHull(corners)[:, 0], dtype=np.int32)


def _hull_pixels(hulls: Sequence[NDArray[np.int32]]) -> Floats:
    """Grid points in convex polygons of grid points, by Pick's theorem: area + points on the edges / 2 + 1."""
    count = np.zeros(len(hulls))
    for members in _batches(hulls):
        hull = np.stack([hulls[index] for index in members]).astype(np.int64)
        edge = np.roll(hull, -1, axis=1) - hull
        twice = np.abs((hull[..., 0] * edge[..., 1] - hull[..., 1] * edge[..., 0]).sum(axis=1))
        on_edges = np.gcd(edge[..., 0], edge[..., 1]).sum(axis=1)
        count[members] = (twice + on_edges) / 2 + 1
    return count


def _chain_lengths(chains: Sequence[NDArray[np.int32]], holes: NDArray[np.bool_], aspect: float) -> Floats:
    """Length of each chain code, moved from the centres of the outermost pixels, where it runs, to their sides."""
    if not chains:
        return np.zeros(0)
    lengths = np.array([len(chain) for chain in chains])
    ends = np.cumsum(lengths)
    points = np.concatenate(chains)
    following, previous = np.arange(1, len(points) + 1), np.arange(-1, len(points) - 1)
    following[ends - 1], previous[ends - lengths] = ends - lengths, ends - 1
    step = points[following] - points
    axes = (step != 0) @ np.array([1, 2])  # 0 for a single pixel, 1 along a row, 2 along a column, 3 for a diagonal
    turns = np.any(step != step[previous], axis=1)
    unit = step_lengths(aspect)
    corner = _corner_lengths(unit)[axes, axes[previous]]
    length = np.array([0.0, unit.row, unit.column, unit.diagonal])[axes] + corner * turns
    chain_length = np.add.reduceat(length, ends - lengths)
    margin = _ellipse_perimeter(0.5, aspect / 2)
    return np.asarray(np.maximum(chain_length + np.where(holes, -margin, margin), 0.0), dtype=np.float64)


def _corner_lengths(unit: StepLengths) -> Floats:
    """Length of a change between two kinds of steps (4, 4): none, along a row, along a column, diagonal."""
    table = np.full((4, 4), (unit.row_corner + unit.column_corner) / 2)
    table[1, 3] = table[3, 1] = unit.row_corner
    table[2, 3] = table[3, 2] = unit.column_corner
    return table


def _ellipse_perimeter(a: float, b: float) -> float:
    """Perimeter of an ellipse with half axes a and b, to 1e-4 for a / b up to 5 (Ramanujan 1914); 2π a for a = b."""
    return float(np.pi * (3 * (a + b) - np.sqrt((3 * a + b) * (a + 3 * b))))


def _feret_diameters(hulls: Sequence[NDArray[np.int32]], aspect: float) -> tuple[Floats, Floats]:
    """Largest and smallest width of convex polygons given in half pixels; the smallest is across one of the edges."""
    widest, narrowest = np.zeros((2, len(hulls)))
    for members in _batches(hulls):
        hull = np.stack([hulls[index] for index in members]) / 2.0 * np.array([1.0, aspect])
        edge = np.roll(hull, -1, axis=1) - hull
        between = np.linalg.norm(hull[:, :, None] - hull[:, None], axis=3)
        widest[members] = between.max(axis=(1, 2))
        normal = np.stack([-edge[..., 1], edge[..., 0]], axis=2) / np.linalg.norm(edge, axis=2)[..., None]
        along = np.einsum("nec,nvc->nev", normal, hull)
        narrowest[members] = np.ptp(along, axis=2).min(axis=1)
    return widest, narrowest


def _batches(hulls: Sequence[NDArray[np.int32]]) -> Iterator[Integers]:
    """Indices of hulls with the same number of vertices, a few at a time so that memory stays bounded."""
    sizes = np.array([len(hull) for hull in hulls], dtype=np.int64)
    for size in np.unique(sizes):
        members = np.flatnonzero(sizes == size)
        step = max(1, BUDGET // int(size) ** 2)
        yield from (members[at : at + step] for at in range(0, len(members), step))

"""Sizes, shapes, places and neighbours of single objects; lengths are in widths of a pixel, perhaps not square."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects
from scipy.spatial import cKDTree

from matcurate.morphology.moments import measure_moments
from matcurate.morphology.numbering import STRIP, Floats, Integers, LabelIds, compact_ids
from matcurate.morphology.outlines import measure_outlines
from matcurate.morphology.structure import Structure, boundary_lines, close_lines, decide_structure
from matcurate.types import LabelMap


@dataclass(frozen=True, slots=True, eq=False)
class ObjectTable:
    """One row for each object, sorted by id; every column is (N,).

    ``phase`` is the class of most of the object's pixels, 0 without classes; ``area`` the number of pixels;
    ``perimeter`` the length of the boundaries, holes included (Vossepoel and Smeulders' estimate); ``circularity`` 4π
    area / perimeter², at most 1: 1 for a disc, π/4 for a square. ``x``, ``y`` is the centroid in columns and rows, from
    the centre of the top left pixel. ``feret_max`` and ``feret_min`` are caliper diameters; ``aspect_ratio`` is long
    over short axis of the ellipse with the same second moments; ``solidity`` pixels over those inside the convex hull,
    1 for any convex shape on the pixel grid; ``orientation`` the angle of the long axis in degrees in [0, 180),
    counter-clockwise from the x axis as one sees it, 0 without a direction. ``neighbours`` touch it; between grains,
    boundaries drawn as background lines are closed before. ``nearest_distance`` to another centroid is NaN for an
    object that is alone; ``height`` and ``width`` are of the box.
    """

    id: Integers
    phase: Integers
    area: Floats
    perimeter: Floats
    equivalent_diameter: Floats
    circularity: Floats
    x: Floats
    y: Floats
    touches_border: NDArray[np.bool_]
    feret_max: Floats
    feret_min: Floats
    aspect_ratio: Floats
    solidity: Floats
    orientation: Floats
    neighbours: Integers
    nearest_distance: Floats
    height: Integers
    width: Integers

    def __len__(self) -> int:
        return len(self.id)

    def moved(self, down: int, right: int) -> "ObjectTable":
        """The same within a larger image, in which the measured one begins at (``down``, ``right``)."""
        return replace(self, x=self.x + right, y=self.y + down)


def measure_objects(
    instances: LabelMap, phases: LabelMap | None = None, structure: Structure | None = None, *, aspect: float = 1.0
) -> ObjectTable:
    """Measure every object of a label map (H, W); an id in several pieces is one object.

    Between ``grains``, background lines are boundaries; by default that is decided from the map. ``aspect`` is the
    height of a pixel over its width.
    """
    compact, ids = compact_ids(instances)
    lines = None if structure == "objects" else boundary_lines(compact)
    tiled = (structure or decide_structure(compact, lines)) == "grains"
    return tabulate(compact, ids, close_lines(compact, lines) if tiled else compact, phases, aspect=aspect)


def tabulate(
    compact: LabelIds, ids: Integers, touching: LabelIds, phases: LabelMap | None = None, *, aspect: float = 1.0
) -> ObjectTable:
    """Measure as :func:`measure_objects` does what :func:`~matcurate.morphology.numbering.compact_ids` has renumbered.

    In ``touching`` (H, W) neighbours are counted: of grains, with the lines between them closed.
    """
    boxes = find_objects(compact)
    moments = measure_moments(compact, len(ids), aspect)
    outlines = measure_outlines(compact, boxes, aspect)
    area = moments.area * aspect
    edges = [(rows.start, columns.start, rows.stop, columns.stop) for rows, columns in boxes]
    top, left, bottom, right = np.array(edges, dtype=np.int64).reshape(-1, 4).T
    touches = (top == 0) | (left == 0) | (bottom == compact.shape[0]) | (right == compact.shape[1])
    return ObjectTable(
        id=ids,
        phase=_majority(compact, phases, len(ids)),
        area=moments.area,
        perimeter=outlines.perimeter,
        equivalent_diameter=np.sqrt(4 * area / np.pi),
        circularity=np.minimum(4 * np.pi * area / outlines.perimeter**2, 1.0),
        x=moments.x,
        y=moments.y,
        touches_border=touches,
        feret_max=outlines.feret_max,
        feret_min=outlines.feret_min,
        aspect_ratio=moments.aspect_ratio,
        solidity=moments.area / outlines.hull_pixels,
        orientation=moments.orientation,
        neighbours=count_neighbours(touching, len(ids)),
        nearest_distance=nearest_distances(moments.x, moments.y * aspect),
        height=bottom - top,
        width=right - left,
    )


def _majority(compact: LabelIds, phases: LabelMap | None, count: int) -> Integers:
    if phases is None or count == 0:
        return np.zeros(count, dtype=np.int64)
    classes, values = compact_ids(phases)  # class ids may be large; the votes stay few
    kinds = len(values) + 1
    votes = np.zeros((count + 1) * kinds, dtype=np.int64)
    rows = max(1, STRIP // compact.shape[1])
    for top in range(0, len(compact), rows):
        ids, voted = (part[top : top + rows].ravel().astype(np.int64) for part in (compact, classes))
        votes += np.bincount(ids * kinds + voted, minlength=len(votes))
    known = np.concatenate([np.zeros(1, dtype=np.int64), values])
    majority: Integers = known[np.argmax(votes.reshape(count + 1, kinds)[1:], axis=1)]
    return majority


def touching_pairs(compact: LabelIds) -> Integers:
    """Pairs (P, 2) of objects (H, W) that share an edge of a pixel, each once, the smaller id first, 0 left out."""
    pairs = []
    for first, second in ((compact[:, :-1], compact[:, 1:]), (compact[:-1], compact[1:])):
        edge = (first != second) & (first > 0) & (second > 0)
        one, other = first[edge].astype(np.int64), second[edge].astype(np.int64)
        pairs.append(np.minimum(one, other) << 32 | np.maximum(one, other))
    keys = np.unique(np.concatenate(pairs))
    return np.stack([keys >> 32, keys & 0xFFFFFFFF], axis=1)


def count_neighbours(compact: LabelIds, count: int) -> Integers:
    """Count the objects that each of the objects 1…count touches; (count,)."""
    return np.bincount(touching_pairs(compact).ravel(), minlength=count + 1)[1:].astype(np.int64)


def nearest_distances(x: Floats, y: Floats) -> Floats:
    """Distance of every centroid to the nearest other one; NaN for an object that is alone. x, y (N,), result (N,)."""
    if len(x) < 2:
        return np.full(len(x), np.nan)
    points = np.stack([x, y], axis=1)
    distances, _ = cKDTree(points).query(points, k=2)
    return np.asarray(distances[:, 1], dtype=np.float64)

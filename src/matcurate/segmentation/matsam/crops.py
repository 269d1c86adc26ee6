"""Large images in crops, and objects over their borders joined again.

The cores of the crops tile the image; a crop sees its core and a margin around it. A crop is responsible for the
objects that have a pixel in its core: what lies in a margin alone is in another core, whose crop sees more of it. Both
sides see an object over a border, and agree in the band that both see; there the pieces are paired, and pairs become
one object.

Memory holds no more than one crop and the masks so far, each no larger than its box.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import DisjointSet
from scipy.ndimage import find_objects
from skimage.measure import label

from matcurate.types import Candidate, Pixels, intersection

Box: TypeAlias = tuple[int, int, int, int]
"""(top, left, bottom, right), bottom and right exclusive."""

CORE, MARGIN = 896, 64
"""Together 1024, the input of the networks."""


@dataclass(frozen=True, slots=True)
class Crop:
    """One part of an image, as (top, left, bottom, right).

    The crop sees ``frame`` and is responsible for ``core`` inside it; the cores of all crops tile the image.
    """

    frame: Box
    core: Box

    def __post_init__(self) -> None:
        inside = _common(self.frame, self.core) == self.core
        if not inside or self.core[0] >= self.core[2] or self.core[1] >= self.core[3]:
            raise ValueError(f"a core must not be empty and lie inside its frame, got {self.core} in {self.frame}")

    def cut(self, pixels: Pixels) -> Pixels:
        """View (h, w) of the image (H, W) inside the frame."""
        top, left, bottom, right = self.frame
        return pixels[top:bottom, left:right]

    def place(self, candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
        """Candidates of this crop in the image's coordinates, without those that have no pixel in the core."""
        top, left = self.frame[:2]
        moved = (Candidate(c.top + top, c.left + left, c.mask, c.quality) for c in candidates)
        return tuple(c for c in moved if _window(c, self.core).any())


def crops(shape: tuple[int, int], core: int = CORE, margin: int = MARGIN) -> Iterator[Crop]:
    """Crops of an image (H, W), row by row.

    ``core`` is the largest edge of a core; along each axis all cores are equally long within a pixel. A crop sees
    ``margin`` pixels beyond its core; two neighbours share a band of twice this width. Raises ValueError unless both
    are positive.
    """
    if core < 1 or margin < 1:
        raise ValueError(f"core and margin must be at least 1 pixel, got {core} and {margin}")
    height, width = shape
    for top, bottom in _parts(height, core):
        for left, right in _parts(width, core):
            frame = (
                max(0, top - margin),
                max(0, left - margin),
                min(height, bottom + margin),
                min(width, right + margin),
            )
            yield Crop(frame, (top, left, bottom, right))


def by_core(candidates: Sequence[Candidate], parts: Sequence[Crop]) -> list[list[Candidate]]:
    """Candidates of each crop: those whose box has its middle in the core; the cores tile the image."""
    by_crop: list[list[Candidate]] = [[] for _ in parts]
    for candidate in candidates:
        top, left, bottom, right = candidate.box
        row, column = (top + bottom - 1) // 2, (left + right - 1) // 2
        holds = (c.core[0] <= row < c.core[2] and c.core[1] <= column < c.core[3] for c in parts)
        by_crop[list(holds).index(True)].append(candidate)
    return by_crop


def stitch(parts: Iterable[tuple[Crop, Sequence[Candidate]]], agreement: float = 0.5) -> tuple[Candidate, ...]:
    """Unite the parts of objects that several crops see.

    In the band that two crops share, the connected pieces (8 neighbours) of their candidates are compared. Two pieces
    of which each is the best match of the other, with an intersection over union of at least ``agreement`` in (0, 1]
    there, make one object of their candidates. Pieces rather than whole masks are compared, since an object may enter
    the other crop several times, and may look like several objects from there.

    ``parts`` has each crop once, with what :meth:`Crop.place` gives; it may be a generator. Objects come in the order
    of their first part; the quality is the mean of the parts', weighted by area. Raises ValueError for another
    ``agreement``.
    """
    if not 0 < agreement <= 1:
        raise ValueError(f"agreement must lie in (0, 1], got {agreement}")
    fragments: list[Candidate] = []
    seen: list[tuple[Crop, range]] = []
    same: DisjointSet = DisjointSet()
    for crop, candidates in parts:
        mine = range(len(fragments), len(fragments) + len(candidates))
        fragments += candidates
        for number in mine:
            same.add(number)
        for other, theirs in seen:
            band = _common(crop.frame, other.frame)
            if band[0] < band[2] and band[1] < band[3]:
                for one, two in _pairs(fragments, mine, theirs, band, agreement):
                    same.merge(one, two)
        seen.append((crop, mine))
    groups = sorted((sorted(group) for group in same.subsets()), key=lambda group: group[0])
    return tuple(unite([fragments[number] for number in group]) for group in groups)


def unite(parts: Sequence[Candidate]) -> Candidate:
    """One candidate of all pixels of its parts; its quality is their mean, weighted by area."""
    if len(parts) == 1:
        return parts[0]
    boxes = np.array([part.box for part in parts])
    top, left = (int(edge) for edge in boxes[:, :2].min(axis=0))
    bottom, right = (int(edge) for edge in boxes[:, 2:].max(axis=0))
    mask = np.zeros((bottom - top, right - left), dtype=np.bool_)
    for part in parts:
        height, width = part.mask.shape
        mask[part.top - top : part.top - top + height, part.left - left : part.left - left + width] |= part.mask
    areas = [part.area for part in parts]
    return Candidate(top, left, mask, float(np.average([part.quality for part in parts], weights=areas)))


def _parts(length: int, core: int) -> list[tuple[int, int]]:
    """First and last (exclusive) pixel of equal parts no longer than ``core``."""
    edges = np.linspace(0, length, -(-length // core) + 1).round().astype(int).tolist()
    return list(pairwise(edges))


def _pairs(
    candidates: Sequence[Candidate], mine: range, theirs: range, band: Box, agreement: float
) -> Iterator[tuple[int, int]]:
    """Numbers of candidates of two crops that are one object, by their pieces in the band."""
    (ours, our_owner), (others, other_owner) = (_pieces(candidates, numbers, band) for numbers in (mine, theirs))
    if not ours or not others:
        return
    iou = np.zeros((len(ours), len(others)))
    (top, left, bottom, right), (tops, lefts, bottoms, rights) = (
        np.array([piece.box for piece in pieces]).T for pieces in (ours, others)
    )
    touching = (top[:, None] < bottoms) & (bottom[:, None] > tops) & (left[:, None] < rights) & (right[:, None] > lefts)
    areas, other_areas = ([piece.area for piece in pieces] for pieces in (ours, others))
    for one, two in np.argwhere(touching).tolist():
        shared = intersection(ours[one], others[two])
        iou[one, two] = shared / (areas[one] + other_areas[two] - shared)
    best = (iou >= agreement) & (iou == iou.max(axis=0)) & (iou == iou.max(axis=1, keepdims=True))
    for one, two in np.argwhere(best).tolist():
        yield our_owner[one], other_owner[two]


def _pieces(candidates: Sequence[Candidate], numbers: range, band: Box) -> tuple[list[Candidate], list[int]]:
    """Connected pieces of candidates inside a band, and the number of the candidate that each belongs to."""
    pieces: list[Candidate] = []
    owners: list[int] = []
    for number in numbers:
        candidate = candidates[number]
        window = _window(candidate, band)
        if not window.any():
            continue
        top, left = max(candidate.top, band[0]), max(candidate.left, band[1])
        labels = label(window, connectivity=2)
        for piece, (rows, columns) in enumerate(find_objects(labels), start=1):
            pieces.append(Candidate(top + rows.start, left + columns.start, labels[rows, columns] == piece, 0.0))
            owners.append(number)
    return pieces, owners


def _window(candidate: Candidate, box: Box) -> NDArray[np.bool_]:
    """Part of a candidate's mask inside a box of the image; may be empty."""
    top, left, bottom, right = _common(candidate.box, box)
    rows = slice(top - candidate.top, max(top, bottom) - candidate.top)
    return candidate.mask[rows, left - candidate.left : max(left, right) - candidate.left]


def _common(one: Box, other: Box) -> Box:
    """What two boxes share; bottom <= top or right <= left when nothing."""
    return max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])

"""Removal of raw masks: SAM-I-Am's rules on geometry alone (its section 3.3.1 and algorithm 1).

The rules in their order, each on what the previous one has left:

1. *duplicate*: of masks that are nearly the same, all but the largest are removed.
2. *tiny child*: a child below ``child_share`` of its parent's area is removed; the parent has priority.
3. *compound*: a parent is removed whose children together cover more than ``compound_share`` of it; the children have
   priority, and merging decides what they are.
4. *island*: a mask is removed that lies in an unmasked surrounding and is below ``island_share`` of it.

Algorithm 1 collects all candidates for removal first, and adds up the children's areas. Here tiny children no longer
count when parents are compared with their children, and what two children share counts once: else a large mask that
holds hundreds of atoms, each of them a mask, would be removed together with them and leave nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from matcurate.segmentation.boost.settings import BoostSettings
from matcurate.types import BoolMask, Candidate, intersection

Rule = Literal["duplicate", "tiny child", "compound", "island", "composite"]
"""``composite`` follows from the vote of crops, see :mod:`matcurate.segmentation.boost.booster`; the others here."""

RING = 3
"""Width in pixels of the ring around a mask that shows what surrounds it."""
SURROUNDED = 0.5
"""Share of that ring that one unmasked region must hold for the mask to be an island in it."""


@dataclass(frozen=True, slots=True, eq=False)
class Removed:
    """A removed mask, and the rule that removed it."""

    candidate: Candidate
    rule: Rule


@dataclass(frozen=True, slots=True, eq=False)
class Removal:
    """Masks that stay, largest first, and those removed, in the order of the rules."""

    kept: tuple[Candidate, ...]
    removed: tuple[Removed, ...]


def remove(candidates: Sequence[Candidate], shape: tuple[int, int], settings: BoostSettings) -> Removal:
    """Apply the four rules to raw masks of one image (H, W), overlapping or not; empty ones are ignored."""
    masks = sorted(
        (without_holes(c, settings.child_share) for c in candidates if c.area), key=lambda c: (-c.area, c.top, c.left)
    )
    relations = _Relations.of(masks, settings)
    alive = np.ones(len(masks), dtype=np.bool_)
    removed: list[Removed] = []
    for rule, chosen_by in RELATIVES:
        expendable = chosen_by(relations, alive, settings)
        alive &= ~expendable
        removed += [Removed(masks[number], rule) for number in np.flatnonzero(expendable)]
    left = [masks[number] for number in np.flatnonzero(alive)]
    islands = _islands(left, shape, settings.island_share)
    return Removal(
        kept=tuple(mask for mask, island in zip(left, islands, strict=True) if not island),
        removed=(*removed, *(Removed(mask, "island") for mask, island in zip(left, islands, strict=True) if island)),
    )


def without_holes(candidate: Candidate, share: float) -> Candidate:
    """The mask with those holes filled that are below ``share`` of its area: only tiny children fit there."""
    outside = np.pad(~candidate.mask, 1, constant_values=True).astype(np.uint8)
    _, parts, stats, _ = cv2.connectedComponentsWithStats(outside, connectivity=4)
    filled = stats[:, cv2.CC_STAT_AREA] < share * candidate.area
    filled[[0, parts[0, 0]]] = False
    if not filled.any():
        return candidate
    return replace(candidate, mask=candidate.mask | filled[parts[1:-1, 1:-1]])


@dataclass(frozen=True, slots=True, eq=False)
class _Relations:
    """N masks, largest first, and their relations.

    ``overlap[i, j]`` is the intersection over union of two masks; ``child[i, j]`` is true when j is a child of i.
    """

    masks: Sequence[Candidate]
    areas: NDArray[np.int64]
    overlap: NDArray[np.float64]
    child: NDArray[np.bool_]

    @classmethod
    def of(cls, masks: Sequence[Candidate], settings: BoostSettings) -> _Relations:
        areas = np.array([c.area for c in masks], dtype=np.int64)
        shared = shared_areas(masks)
        overlap = shared / np.maximum(areas[:, None] + areas - shared, 1)
        inside = shared >= settings.containment * areas
        smaller = np.triu(np.ones_like(inside), k=1)  # they come sorted
        return cls(masks, areas, overlap, inside & smaller & (overlap < settings.duplicate_iou))


def shared_areas(masks: Sequence[Candidate]) -> NDArray[np.int64]:
    """Pixels that every two masks share, (N, N); only those whose boxes overlap are compared."""
    boxes = np.array([c.box for c in masks], dtype=np.int64).reshape(-1, 4)
    shared = np.zeros((len(masks), len(masks)), dtype=np.int64)
    for number, mask in enumerate(masks):
        later = boxes[number:]
        meets = (later[:, :2] < boxes[number, 2:]).all(axis=1) & (later[:, 2:] > boxes[number, :2]).all(axis=1)
        for other in number + np.flatnonzero(meets):
            shared[number, other] = shared[other, number] = intersection(mask, masks[other])
    return shared


def _common(a: Candidate, b: Candidate) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where the boxes of two masks meet, in the pixels of each; they do meet."""
    top, left = max(a.top, b.top), max(a.left, b.left)
    bottom, right = min(a.box[2], b.box[2]), min(a.box[3], b.box[3])
    here, there = ((slice(top - c.top, bottom - c.top), slice(left - c.left, right - c.left)) for c in (a, b))
    return here, there


def _duplicates(relations: _Relations, alive: BoolMask, settings: BoostSettings) -> BoolMask:
    """Masks like a larger one that itself stays."""
    duplicate = np.zeros_like(alive)
    for number in range(len(alive)):
        if not duplicate[number]:
            duplicate[number + 1 :] |= relations.overlap[number, number + 1 :] >= settings.duplicate_iou
    return duplicate


def _tiny_children(relations: _Relations, alive: BoolMask, settings: BoostSettings) -> BoolMask:
    tiny = relations.areas < settings.child_share * relations.areas[:, None]
    return np.asarray(alive & (relations.child & tiny & alive[:, None]).any(axis=0))


def _compounds(relations: _Relations, alive: BoolMask, settings: BoostSettings) -> BoolMask:
    compound = np.zeros_like(alive)
    for number in np.flatnonzero(alive):
        children = np.flatnonzero(relations.child[number] & alive)
        if len(children):
            covered = _covered(relations.masks[number], [relations.masks[child] for child in children])
            compound[number] = covered > settings.compound_share * relations.areas[number]
    return compound


def _covered(parent: Candidate, children: Sequence[Candidate]) -> int:
    """Pixels of the parent that lie in at least one child."""
    union = np.zeros_like(parent.mask)
    for child in children:
        here, there = _common(parent, child)
        union[here] |= child.mask[there]
    return int(np.count_nonzero(union & parent.mask))


RELATIVES: tuple[tuple[Rule, Callable[[_Relations, BoolMask, BoostSettings], BoolMask]], ...] = (
    ("duplicate", _duplicates),
    ("tiny child", _tiny_children),
    ("compound", _compounds),
)
"""The rules on pairs of masks, in their order; each gives which of those left (N,) are removed."""


def _islands(masks: Sequence[Candidate], shape: tuple[int, int], share: float) -> BoolMask:
    """Masks, largest first, that lie in a region without a larger mask and are less than ``share`` of it.

    Masks of one tier of areas are compared together, with what the tiers before have left unmasked.
    """
    island = np.zeros(len(masks), dtype=np.bool_)
    covered = np.zeros(shape, dtype=np.bool_)
    for tier in _tiers([mask.area for mask in masks], share * covered.size):
        seas = _Seas.of(covered)
        for number in tier:
            island[number] = seas.hold(masks[number], share)
        for mask in (masks[number] for number in tier if not island[number]):
            top, left, bottom, right = mask.box
            covered[top:bottom, left:right] |= mask.mask
    return island


def _tiers(areas: Sequence[int], smallest_land: float) -> list[list[int]]:
    """Positions of positive areas, falling: those too large for islands, then within a factor of two each.

    There are as many tiers as the image has powers of two, however many masks there are.
    """
    powers = [math.inf if area >= smallest_land else math.frexp(area)[1] for area in areas]
    return [list(tier) for _, tier in groupby(range(len(areas)), key=powers.__getitem__)]


@dataclass(frozen=True, slots=True, eq=False)
class _Seas:
    """Connected regions without a mask: ``numbers`` (H, W), 0 being land, and how many pixels each has."""

    numbers: NDArray[np.int32]
    sizes: NDArray[np.int32]

    @classmethod
    def of(cls, covered: BoolMask) -> _Seas:
        _, numbers, stats, _ = cv2.connectedComponentsWithStats((~covered).astype(np.uint8), connectivity=4)
        return cls(np.asarray(numbers, dtype=np.int32), np.asarray(stats[:, cv2.CC_STAT_AREA], dtype=np.int32))

    def hold(self, mask: Candidate, share: float) -> bool:
        """Whether most of the ring around a mask is one sea, so large that the mask is tiny beside it."""
        top, left, bottom, right = mask.box
        above, before = max(top - RING, 0), max(left - RING, 0)
        window = self.numbers[above : bottom + RING, before : right + RING]
        body = np.zeros(window.shape, dtype=np.uint8)
        body[top - above : bottom - above, left - before : right - before] = mask.mask
        grown = cv2.dilate(body, np.ones((2 * RING + 1, 2 * RING + 1), np.uint8))
        ring = window[(grown > 0) & (body == 0)]
        if ring.size == 0:
            return False
        around = np.bincount(ring)
        around[0] = 0
        sea = int(around.argmax())
        return bool(around[sea] >= SURROUNDED * ring.size and mask.area < share * self.sizes[sea])

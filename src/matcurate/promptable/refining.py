"""Refine an answer click by click: each further click adds or removes the region around it, and leaves the rest.

A region of the hierarchy that holds all foreground points and no background point seldom exists once an expert corrects
details. So the first point chooses the object, and every next one corrects it where it lies. An expert clicks into the
middle of an error: the distance from the click to the border of the mask says how large the error is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from matcurate.promptable.hierarchy import Hierarchy
from matcurate.types import BoolMask

REACH = 2.5
"""A correction reaches so many times as far as the border of the mask is from its click."""
FILL = 8.0
"""Largest region that a click takes, in areas of the circle that reaches from it to the border of the mask."""
OBJECT = 0.5
"""Minimum score of a region that a click takes as an object."""


def refined(
    mask: BoolMask, hierarchy: Hierarchy, score: NDArray[np.float64], points: Sequence[tuple[int, bool]]
) -> BoolMask:
    """The mask (H, W) after corrections: pixel numbers, row by row, each with whether it belongs to the object.

    ``score`` (M,) says how good a node is as an object. A click takes the best object around it, else the largest
    region that is small enough; none of them holds an earlier point of the other kind.
    """
    mask = mask.copy()
    for index, (pixel, belongs) in enumerate(points):
        row, column = divmod(pixel, mask.shape[1])
        if mask[row, column] == belongs:
            continue
        others = [place for place, kind in points[:index] if kind != belongs]
        change = _around(hierarchy, score, mask, pixel, others)
        mask[change] = belongs
    return mask


def _around(
    hierarchy: Hierarchy, score: NDArray[np.float64], mask: BoolMask, pixel: int, others: Sequence[int]
) -> BoolMask:
    """What one click changes (H, W): a fitting region of the hierarchy, within the reach of the click."""
    row, column = divmod(pixel, mask.shape[1])
    same = mask == mask[row, column]
    depth = _depth(same, row, column)
    node = _fitting(hierarchy, score, pixel, others, same.ravel(), FILL * np.pi * depth**2)
    reach = int(np.ceil(REACH * depth)) + 1
    rows, columns = (slice(max(0, at - reach), at + reach + 1) for at in (row, column))
    away = (np.arange(*rows.indices(mask.shape[0]))[:, None] - row) ** 2
    away = away + (np.arange(*columns.indices(mask.shape[1])) - column) ** 2
    if node is None:
        apart = [np.hypot(*(np.subtract(divmod(other, mask.shape[1]), (row, column)))) for other in others]
        near = away <= min([depth, *(distance - 1 for distance in apart)]) ** 2
    else:
        held = np.zeros(mask.size, dtype=np.bool_)
        start = hierarchy.first[node]
        held[hierarchy.order[start : start + hierarchy.area[node]]] = True
        near = (away <= (REACH * depth + 1) ** 2) & held.reshape(mask.shape)[rows, columns]
    change = np.zeros_like(mask)
    change[rows, columns] = near & same[rows, columns]
    return change


def _depth(same: BoolMask, row: int, column: int) -> float:
    """Distance in pixels from a pixel to the nearest one that is not ``same`` (H, W)."""
    reach = 32
    while True:
        top, left = max(0, row - reach), max(0, column - reach)
        part = same[top : row + reach + 1, left : column + reach + 1]
        rows, columns = np.nonzero(~part)
        nearest = np.hypot(rows + top - row, columns + left - column).min(initial=np.inf)
        if nearest <= reach or part.size == same.size:
            return float(min(nearest, max(same.shape)))
        reach *= 2


def _fitting(
    hierarchy: Hierarchy,
    score: NDArray[np.float64],
    pixel: int,
    others: Sequence[int],
    same: NDArray[np.bool_],
    most: float,
) -> int | None:
    """The node around a pixel to take; it holds none of the others, and at most ``most`` pixels of the same side."""
    node, largest, best = int(hierarchy.home[pixel]), None, None
    while True:
        start = hierarchy.first[node]
        held = hierarchy.order[start : start + hierarchy.area[node]]
        if np.isin(others, held).any() or same[held].sum() > most:
            break
        largest = node
        if score[node] >= OBJECT and (best is None or score[node] > score[best]):
            best = node
        if node == hierarchy.root:
            break
        node = int(hierarchy.parent[node])
    return largest if best is None else best

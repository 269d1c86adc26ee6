"""Whether two patches that meet belong to one grain: what is measured of the seam between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matcurate.promptable.builtin import patches as p
from matcurate.promptable.builtin.patches import Numbers, Patches, Table

Column = NDArray[np.float64]

LEAST_NOISE = 0.02
"""Of the pixels, in standard deviations of the image."""
UNLIKE = 2.0
"""Difference in grey, in standard deviations of the image, from which two patches have nothing in common."""
LEAST_SHARE = 0.1
"""Of a patch's outline that a neighbour takes on its other side."""
MEASURES = (
    "boundary",
    "boundary_closed",
    "boundary_log",
    "boundary_over_rest",
    "rest",
    "around",
    "step_fine",
    "step",
    "step_wide",
    "sure_fine",
    "sure",
    "sure_wide",
    "line",
    "line_sure",
    "difference",
    "contrast",
    "spread_small",
    "spread_large",
    "log_small",
    "log_large",
    "small_share",
    "large_share",
    "log_length",
    "share_of_small",
    "share_of_large",
    "round_small",
    "round_large",
    "round_both",
    "full_small",
    "full_large",
    "full_both",
    "long_small",
    "long_large",
    "long_both",
    "straight",
    "straight_share",
    "frame_small",
    "opposite",
    "opposite_share",
    "rough_small",
    "deep_small",
    "deep_large",
    "noise",
    "log_typical",
)
"""Names of the columns of :func:`measured`; *small* and *large* are the two patches, *sure* means over the noise."""


def measured(patches: Patches) -> NDArray[np.float32]:
    """What is measured of every seam (E, D); the same whichever patch has the lower number."""
    area = patches.sums[:, p.AREA]
    first, second = patches.ends.T
    swapped = area[first] > area[second]
    small, large = np.where(swapped, second, first), np.where(swapped, first, second)
    columns = [
        *_boundary(patches, small, large),
        *_contrast(patches, small, large),
        *_shape(patches, small, large),
        *_surroundings(patches, small, large),
    ]
    found = np.empty((len(columns), len(small)), dtype=np.float32)
    for row, column in zip(found, columns, strict=True):
        row[:] = column
    return np.ascontiguousarray(found.T)


def _boundary(patches: Patches, small: Numbers, large: Numbers) -> list[Column]:
    """Learned boundary along the seam, and along what else the two patches border on."""
    length, parted = patches.seams[:, p.PAIRS], patches.seams[:, p.PARTED]
    perimeter, total = (both_sides(patches, values) for values in (length, parted))
    said = parted / length
    rest = (total[small] - parted) / np.maximum(perimeter[small] - length, 1)
    return [
        said,
        patches.seams[:, p.CLOSED] / length,
        patches.seams[:, p.LOGARITHM] / length,
        said - rest,
        rest,
        (total / np.maximum(perimeter, 1))[large],
    ]


def _contrast(patches: Patches, small: Numbers, large: Numbers) -> list[Column]:
    """Steps of grey over the seam, near it and between the whole patches."""
    sums, seams = patches.sums, patches.seams
    length, unit = seams[:, p.PAIRS], max(patches.noise, LEAST_NOISE)
    steps = np.abs(seams[:, p.STEP :]) / length[:, None]
    line = seams[:, p.LINE] / length
    mean, spread = _grey(sums)
    difference = np.abs(mean[small] - mean[large])
    return [
        *np.log(steps + 0.01).T,
        *np.log(steps / unit * np.sqrt(length)[:, None] + 0.1).T,
        line,
        np.log(np.abs(line) / unit * np.sqrt(length) + 0.1),
        np.log(difference + 0.01),
        np.log(difference / (spread[small] + spread[large] + 0.02) + 0.01),
        np.log(spread[small] + 0.01),
        np.log(spread[large] + 0.01),
    ]


def _shape(patches: Patches, small: Numbers, large: Numbers) -> list[Column]:
    """Sizes and shapes of the two patches, of both together, and of the seam."""
    sums, seams = patches.sums, patches.seams
    area, length = sums[:, p.AREA], seams[:, p.PAIRS]
    outline = both_sides(patches, length) + sums[:, p.FRAME]
    both = sums[small] + sums[large]
    closed = outline[small] + outline[large] - 2 * length
    typical = np.sum(area**2) / np.sum(area)
    narrow, wide = _axes(sums)
    joint_narrow, joint_wide = _axes(both)
    thin, straight = _axes(seams, first=p.ROW, weight=p.PAIRS)
    return [
        np.log(area[small]),
        np.log(area[large]),
        np.log(area[small] / typical),
        np.log(area[large] / typical),
        np.log(length),
        length / outline[small],
        length / outline[large],
        _round(area[small], outline[small]),
        _round(area[large], outline[large]),
        _round(both[:, p.AREA], closed),
        _full(area[small], narrow[small], wide[small]),
        _full(area[large], narrow[large], wide[large]),
        _full(both[:, p.AREA], joint_narrow, joint_wide),
        np.log(wide[small] / narrow[small]),
        np.log(wide[large] / narrow[large]),
        np.log(joint_wide / joint_narrow),
        thin / np.sqrt(length),
        np.log(straight / (narrow[small] + 1)),
        sums[small, p.FRAME] / outline[small],
    ]


def _surroundings(patches: Patches, small: Numbers, large: Numbers) -> list[Column]:
    """What lies on the other side of the smaller patch, what is inside both, and what the image is like."""
    area = patches.sums[:, p.AREA]
    alike, part = _opposite(patches, small, large)
    inside = patches.sums / area[:, None]
    image = np.ones(len(small))
    return [
        np.log(alike + 0.01),
        part,
        np.log(inside[small, p.ROUGH] + 0.01),
        np.log(inside[small, p.DEEP] + 0.01),
        np.log(inside[large, p.DEEP] + 0.01),
        patches.noise * image,
        np.log(np.sum(area**2) / np.sum(area)) / 2 * image,
    ]


def both_sides(patches: Patches, values: Column) -> Column:
    """Sum (N,) over the seams of each patch of their ``values`` (E,)."""
    first, second = patches.ends.T
    count = len(patches.sums)
    return np.asarray(np.bincount(first, values, count) + np.bincount(second, values, count), dtype=np.float64)


def _grey(sums: Table) -> tuple[Column, Column]:
    """Mean and standard deviation of the grey values of each patch."""
    mean = sums[:, p.GREY] / sums[:, p.AREA]
    return mean, np.sqrt(np.maximum(sums[:, p.GREY2] / sums[:, p.AREA] - mean**2, 0))


def _axes(sums: Table, first: int = p.PLACE, weight: int = p.AREA) -> tuple[Column, Column]:
    """Standard deviations along the short and the long axis, in pixels."""
    total = sums[:, weight]
    row, column, row2, column2, both = (sums[:, first + number] / total for number in range(5))
    rows = np.maximum(row2 - row**2, 0) + 1 / 12
    columns = np.maximum(column2 - column**2, 0) + 1 / 12
    mixed = both - row * column
    middle, off = (rows + columns) / 2, np.sqrt((rows - columns) ** 2 / 4 + mixed**2)
    return np.sqrt(np.maximum(middle - off, 1 / 12)), np.sqrt(middle + off)


def _round(area: Column, outline: Column) -> Column:
    return np.asarray(np.minimum(4 * np.pi * area / np.maximum(outline, 1) ** 2, 1.2))


def _full(area: Column, narrow: Column, wide: Column) -> Column:
    """Part of the ellipse of the same moments that a patch fills: 1 for an ellipse, less for what is bent."""
    return np.asarray(area / (4 * np.pi * narrow * wide))


def _opposite(patches: Patches, small: Numbers, large: Numbers) -> tuple[Column, Column]:
    """Another neighbour of the smaller patch as grey as the larger one: the other side of a twin.

    Returns the least difference in grey (:data:`UNLIKE` where there is none) and what part of the small patch's outline
    that neighbour takes.
    """
    ends, length = patches.ends, patches.seams[:, p.PAIRS]
    count, mean = len(patches.sums), _grey(patches.sums)[0]
    order = np.argsort(ends.T.ravel(), kind="stable")
    owner, other = ends.T.ravel()[order], ends[:, ::-1].T.ravel()[order]
    share = np.tile(length, 2)[order] / both_sides(patches, length)[owner]
    start = np.searchsorted(owner, np.arange(count + 1))
    neighbours = (start[1:] - start[:-1])[small]
    begins = np.cumsum(neighbours) - neighbours
    seam = np.repeat(np.arange(len(small)), neighbours)
    place = start[small][seam] + np.arange(len(seam)) - begins[seam]
    third = other[place]
    differs = np.minimum(np.abs(mean[third] - mean[large[seam]]), UNLIKE)
    differs[(third == large[seam]) | (share[place] < LEAST_SHARE)] = UNLIKE
    least = np.minimum.reduceat(differs, begins) if len(begins) else np.zeros(0)
    alike = np.flatnonzero(differs == least[seam])
    best = alike[np.searchsorted(alike, begins)]  # the first of each seam
    return least, np.where(least < UNLIKE, share[place[best]], 0.0)

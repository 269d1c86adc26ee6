"""What the dense heads learn, from exact masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from matcurate.promptable.builtin.network import Head
from matcurate.types import BoolMask, LabelMap

UNKNOWN = -1
"""Target of pixels that no loss looks at."""


def region_ids(phases: LabelMap, instances: LabelMap | None) -> NDArray[np.int32]:
    """One id per pair of phase and instance that occurs, 0 … n - 1; phases and instances (H, W)."""
    pairs = phases.astype(np.int64) << 32
    if instances is not None:
        pairs |= instances.astype(np.int64)
    ids: NDArray[np.intp] = np.unique(pairs, return_inverse=True)[1]
    return np.asarray(ids.reshape(phases.shape), dtype=np.int32)


def boundaries(regions: NDArray[np.int32]) -> BoolMask:
    """Pixels (H, W) with a 4-neighbour of another id, so a boundary is two pixels wide: one on each side."""
    found = np.zeros(regions.shape, dtype=np.bool_)
    below = regions[1:] != regions[:-1]
    beside = regions[:, 1:] != regions[:, :-1]
    found[1:] |= below
    found[:-1] |= below
    found[:, 1:] |= beside
    found[:, :-1] |= beside
    return found


def edges(regions: NDArray[np.int32]) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Where the neighbour on the right, and the one below, has another id; unknown where there is none. Both (H, W)."""
    right = np.full(regions.shape, UNKNOWN, dtype=np.int8)
    below = np.full(regions.shape, UNKNOWN, dtype=np.int8)
    right[:, :-1] = regions[:, 1:] != regions[:, :-1]
    below[:-1] = regions[1:] != regions[:-1]
    return right, below


def insides(phases: LabelMap) -> NDArray[np.int8]:
    """1 where the phase is not the background (class 0), else 0; all unknown when only one of both occurs. (H, W)."""
    inside = phases > 0
    if inside.all() or not inside.any():
        return np.full(phases.shape, UNKNOWN, dtype=np.int8)
    return inside.astype(np.int8)


def dense_targets(regions: NDArray[np.int32], inside: NDArray[np.int8], heads: Sequence[Head]) -> NDArray[np.int8]:
    """Targets (heads, H, W) of the given heads: 1, 0 or unknown.

    Parameters
    ----------
    regions : int32 array (H, W)
        An id per object.
    inside : int8 array (H, W)
        As :func:`insides` gives it.
    heads : sequence of Head
        Which, in this order.
    """
    right, below = edges(regions)
    every: Mapping[Head, NDArray[np.int8]] = {
        "boundary": boundaries(regions).astype(np.int8),
        "inside": inside,
        "right": right,
        "below": below,
    }
    return np.stack([every[head] for head in heads])

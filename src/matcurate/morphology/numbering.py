"""Ids without gaps: what is measured here costs memory and time by the largest id."""

import numpy as np
from numpy.typing import NDArray

from matcurate.types import LabelMap

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
LabelIds = NDArray[np.int32]
"""Ids 1…N without gaps (H, W), 0 is background."""

STRIP = 2**22
"""Pixels that are looked at at once; bounds memory."""


def compact_ids(instances: LabelMap) -> tuple[LabelIds, Integers]:
    """Renumber the objects (H, W) 1…N in the order of their ids (N,), which are returned too; 0 stays 0."""
    largest = int(instances.max())
    if largest > 4 * instances.size + 65535:  # a table of all ids would be larger than the image
        values, inverse = np.unique(instances, return_inverse=True)
        shift = 0 if values[0] == 0 else 1
        return (inverse.reshape(instances.shape) + shift).astype(np.int32), values[1 - shift :].astype(np.int64)
    table = np.zeros(largest + 1, dtype=np.int32)
    rows = max(1, STRIP // instances.shape[1])
    for top in range(0, len(instances), rows):
        table[instances[top : top + rows]] = 1
    table[0] = 0
    ids = np.flatnonzero(table).astype(np.int64)
    table[ids] = np.arange(1, len(ids) + 1)
    return np.take(table, instances), ids

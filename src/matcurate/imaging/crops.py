"""Crops of a micrograph: where they begin, and how those are made larger that are too small for a network."""

import numpy as np
from numpy.typing import NDArray


def spread(length: int, edge: int, count: int) -> list[int]:
    """First pixels of ``count`` crops of ``edge`` pixels spread evenly over a length; one alone lies in the middle."""
    if count == 1:
        return [(length - edge) // 2]
    return [round(place * (length - edge) / (count - 1)) for place in range(count)]


def padded(crops: NDArray[np.float32], edge: int) -> NDArray[np.float32]:
    """Crops (N, h, w) that may be smaller than ``edge``, continued by reflection to it: nothing is magnified."""
    missing = [(0, 0), *((0, max(0, edge - side)) for side in crops.shape[1:])]
    return np.pad(crops, missing, mode="symmetric")

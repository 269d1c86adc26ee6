"""Any decoded array to grey pixels of a depth a micrograph may have."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcurate.types import Pixels

_RED, _GREEN, _BLUE = 299, 587, 114  # ITU-R BT.601-7, section 2.5.1, in thousandths


def luma(colour: NDArray[Any]) -> NDArray[Any]:
    """Luma Y' = 0.299 R + 0.587 G + 0.114 B of (H, W, C >= 3) in the same dtype; r = g = b gives exactly that value.

    ITU-R BT.601-7, section 2.5.1. Further channels (alpha) are display information and left out.
    """
    red, green, blue = (colour[..., channel] for channel in range(3))
    if colour.dtype.kind == "f":
        mixed = (_RED * red.astype(np.float64) + _GREEN * green.astype(np.float64) + _BLUE * blue) / 1000
        return np.asarray(mixed, dtype=colour.dtype)
    wide: type[np.unsignedinteger[Any]] = np.uint64 if colour.dtype.itemsize > 2 else np.uint32
    total = red.astype(wide) * _RED + green.astype(wide) * _GREEN + blue.astype(wide) * _BLUE
    return np.asarray((total + 500) // 1000, dtype=colour.dtype)


def to_grey(values: NDArray[Any]) -> Pixels:
    """Grey (H, W) in a micrograph's depth of a decoded image: grey (H, W), or (H, W, C) of grey or colours.

    Raises ValueError for other shapes, and for values that are no real numbers.
    """
    if values.ndim not in (2, 3) or values.dtype.kind not in "buif":
        raise ValueError(f"an image of {values.ndim} axes and type {values.dtype}, not grey or RGB of real numbers")
    return to_depth(without_colour(values))


def without_colour(values: NDArray[Any]) -> NDArray[Any]:
    """Grey (H, W) of the same dtype: the luma of three and more channels, else the first."""
    if values.ndim == 3:
        return luma(values) if values.shape[-1] >= 3 else values[..., 0]
    return values


def to_depth(values: NDArray[Any]) -> Pixels:
    """Grey values (H, W) of any real dtype as uint8, uint16 or float32, without rescaling.

    8- and 16-bit unsigned values are kept, bool becomes 0 and 255, everything else float32 (exact up to
    2**24 for integers). Values beyond float32's range become infinite; the caller refuses those.
    """
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype in (np.uint8, np.uint16):
        return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, dtype=np.float32)


def full_range(values: NDArray[Any], bits: int) -> NDArray[Any]:
    """Stretch unsigned grey values of 2 to 15 ``bits`` to the range of the 8 or 16 bits that hold them.

    2 bits times 85, 4 bits times 17, 12 bits times 65535 / 4095, rounded; everything else is returned as it is.
    """
    width = values.dtype.itemsize * 8
    if values.dtype.kind != "u" or width > 16 or not 1 < bits < width:
        return values
    largest, full = (1 << bits) - 1, (1 << width) - 1
    levels = (np.arange(largest + 1, dtype=np.uint32) * full + largest // 2) // largest
    return np.asarray(levels.astype(values.dtype)[np.minimum(values, largest)])

"""Straight lines that are no boundaries of grains, taken out of a micrograph: seams first, then scratches."""

from __future__ import annotations

import numpy as np

from matcurate.segmentation.matsam.scratches import find_scratches, without
from matcurate.segmentation.matsam.seams import find_seams, levelled
from matcurate.segmentation.relief import FAR, Grey, calm
from matcurate.types import Pixels


def without_lines(pixels: Pixels) -> tuple[Pixels, Grey]:
    """Take out what is straight and longer than grains, and parts nothing.

    Parameters
    ----------
    pixels : uint8, uint16 or float array (H, W)
        The micrograph, finite.

    Returns
    -------
    pixels : array (H, W)
        Of the same type; the input itself when it has no such lines.
    grey : uint8 array (H, W)
        As :func:`matcurate.segmentation.relief.calm` makes it of these pixels, looking far, since scratches are faint.
    """
    grey = calm(pixels, FAR)
    rows, columns = find_seams(grey), find_seams(np.ascontiguousarray(grey.T))
    if rows or columns:
        pixels = levelled(pixels, rows, columns)
        grey = calm(pixels, FAR)
    scratches = find_scratches(grey)
    if scratches:
        pixels = without(pixels, scratches)
        grey = calm(pixels, FAR)
    return pixels, grey

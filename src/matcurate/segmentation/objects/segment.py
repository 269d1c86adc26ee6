"""From a micrograph and its maps to a segmentation: a foreground with its objects, or grains."""

from __future__ import annotations

import numpy as np

from matcurate.promptable.builtin.maps import ObjectMaps
from matcurate.segmentation.objects.foreground import expected_iou, find_foreground
from matcurate.segmentation.objects.grains import grains
from matcurate.segmentation.objects.instances import pieces, split
from matcurate.segmentation.polarity import foreground_side
from matcurate.segmentation.result import Segmentation
from matcurate.types import Pixels, Side


def segment_phases(
    maps: ObjectMaps, pixels: Pixels, side: Side | None, smallest: int, split_touching: bool = True
) -> Segmentation:
    """Objects of at least ``smallest`` pixels against a matrix, from maps of a micrograph (H, W).

    ``side`` is that of the foreground where the user states it; else the network decides. ``split_touching`` splits
    objects where the network sees a contact.
    """
    probability = maps.foreground.astype(np.float32)
    inside = probability > 0.5
    two = bool(inside.any()) and not inside.all()  # else no side is brighter than the other
    if side is not None and two and foreground_side(pixels, inside) != side:
        probability = 1 - probability
    best = find_foreground(probability, pixels, side)
    objects = split(best.mask, maps, smallest) if split_touching else pieces(best.mask, smallest)
    foreground = objects > 0
    return Segmentation(
        foreground.astype(np.uint8), objects, expected_iou(probability, foreground), alternative=best.alternative
    )


def segment_grains(maps: ObjectMaps, smallest: int) -> Segmentation:
    """Grains that fill the image; the score is the network's confidence in borders and insides."""
    parts = grains(maps, smallest)
    strength = maps.border_strength()
    sure = float(np.abs(2 * strength - 1).mean())
    return Segmentation(np.ones(maps.shape, dtype=np.uint8), parts, min(1.0, sure))

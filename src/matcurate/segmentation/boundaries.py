"""One-pixel boundaries of grains, and how well two networks of them agree."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from matcurate.segmentation.matsam.tiling import boundary_network
from matcurate.types import BoolMask, LabelMap

LINE = 7
"""Edge length in pixels of the disc that does not fit into a drawn boundary; where it fits, id 0 is background."""


@dataclass(frozen=True, slots=True)
class BoundaryAgreement:
    """Agreement of predicted with true boundaries within a tolerance, both in [0, 1].

    ``recall`` is the share of the true boundary pixels that have a predicted one within the tolerance, ``f1`` the
    harmonic mean of it and of precision.
    """

    f1: float
    recall: float


def nearest_id(ids: NDArray[np.uint32], unknown: BoolMask) -> NDArray[np.uint32]:
    """Ids (H, W) in which every unknown pixel has the id of the nearest known one; unchanged where none is known."""
    if unknown.all() or not unknown.any():
        return ids
    rows, columns = distance_transform_edt(unknown, return_distances=False, return_indices=True)
    return np.asarray(ids[rows, columns], dtype=np.uint32)


def grain_boundaries(instances: LabelMap) -> BoolMask:
    """Boundaries (H, W), one pixel wide, of labelled grains.

    Label maps differ in how they draw a boundary: grains touch, or a line of id 0 parts them. Lines of id 0 that are
    thinner than ``LINE`` go to the nearest grain first, so that both give one line. Wider areas of id 0 are background,
    and their outline is a boundary.
    """
    ids = instances.astype(np.uint32)
    empty = (ids == 0).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (LINE, LINE))
    wide = cv2.morphologyEx(empty, cv2.MORPH_OPEN, disc)
    return boundary_network(nearest_id(ids, empty > wide))


def boundary_agreement(predicted: BoolMask, truth: BoolMask, tolerance: float) -> BoundaryAgreement:
    """Compare two boundary masks (H, W); pixels agree at a Euclidean distance of at most ``tolerance`` pixels.

    Both values are 1 where neither has a boundary; the recall is 1 where the truth has none.
    """
    recall, precision = _share_near(truth, predicted, tolerance), _share_near(predicted, truth, tolerance)
    total = precision + recall
    return BoundaryAgreement(f1=2 * precision * recall / total if total else 0.0, recall=recall)


def _share_near(pixels: BoolMask, others: BoolMask, tolerance: float) -> float:
    """Share of pixels with one of the others within the tolerance; 1 without pixels."""
    if not pixels.any():
        return 1.0
    if not others.any():
        return 0.0
    return float((distance_transform_edt(~others)[pixels] <= tolerance).mean())

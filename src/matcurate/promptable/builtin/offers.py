"""Regions that are offered as answers to one point, measured side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcurate.promptable.hierarchy import Nodes
from matcurate.promptable.nested import NestedRegions

OFFERS = 4
"""Regions that each hierarchy offers for one point."""
APART = 0.8
"""Largest intersection over union of two of them."""
SURE = 1e-3
"""Scores are kept so far from 0 and from 1 before their logarithm is taken."""
COMPARED = ("score", "under_best", "log_area_to_best", "log_area_to_mean")
"""What is added to a region's descriptors: the logit of its score, how far it lies under the best one's, and its area
beside that of the best one and beside the mean weighted by scores, logarithms both."""


@dataclass(frozen=True, slots=True, eq=False)
class Offers:
    """What is offered for B points, K regions each.

    Parameters
    ----------
    measured : float32 array (B, K, D)
        Descriptors of each region, and :data:`COMPARED`.
    there : bool array (B, K)
        Fewer than K may be offered.
    """

    measured: NDArray[np.float32]
    there: NDArray[np.bool_]


def side_by_side(
    members: Sequence[NestedRegions], described: Sequence[NDArray[np.float32]], found: Sequence[Nodes]
) -> Offers:
    """Measure offers.

    Parameters
    ----------
    members : sequence of NestedRegions
        Hierarchies.
    described : sequence of float32 array (M, D)
        Descriptors of the regions of each.
    found : sequence of int array (B, k)
        Nodes that each offers; -1 is none.
    """
    there = np.concatenate(found, axis=1) >= 0
    rows = np.concatenate([one[nodes] for one, nodes in zip(described, found, strict=True)], axis=1)
    score = np.concatenate([member.score[nodes] for member, nodes in zip(members, found, strict=True)], axis=1)
    area = np.concatenate([member.hierarchy.area[nodes] for member, nodes in zip(members, found, strict=True)], axis=1)
    score = np.where(there, score, 0.0)
    certain = np.clip(score, SURE, 1 - SURE)
    logit, size = np.log(certain / (1 - certain)), np.log(area)
    best = score.argmax(axis=1)[:, None]
    mean = (size * score).sum(axis=1, keepdims=True) / np.maximum(score.sum(axis=1, keepdims=True), SURE)
    compared = [
        logit,
        logit - np.take_along_axis(logit, best, axis=1),
        size - np.take_along_axis(size, best, axis=1),
        size - mean,
    ]
    measured = np.concatenate([rows, np.stack(compared, axis=2)], axis=2).astype(np.float32)
    return Offers(np.where(there[..., None], measured, np.float32(0)), there)

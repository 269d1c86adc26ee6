"""Agreement of a segmentation with a labelled one, as the MatSAM paper measures it (its appendix and table 4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from skimage.measure import label
from sklearn.metrics import adjusted_rand_score

from matcurate.segmentation.boundaries import boundary_agreement, grain_boundaries
from matcurate.segmentation.result import Segmentation
from matcurate.types import BoolMask, LabelMap


@dataclass(frozen=True, slots=True)
class Scores:
    """Agreement with the truth; every value is at most 1, and only ``ari`` can be below 0.

    ``iou`` is the mean over foreground and background; ``iou_foreground``, ``f1`` and ``recall`` are of the foreground;
    ``ari`` is of the objects, background counted as one of them. The boundary scores are those of one-pixel boundaries
    of the objects, None without labelled objects.
    """

    iou: float
    iou_foreground: float
    f1: float
    recall: float
    ari: float
    boundary_f1_2px: float | None = None
    boundary_recall_2px: float | None = None
    boundary_f1_3px: float | None = None
    boundary_recall_3px: float | None = None


def intersection_over_union(predicted: BoolMask, truth: BoolMask) -> float:
    """|A ∩ B| / |A ∪ B| of two bool masks (H, W); 1 when both are empty."""
    union = np.count_nonzero(predicted | truth)
    return float(np.count_nonzero(predicted & truth) / union) if union else 1.0


def class_mean_iou(predicted: BoolMask, truth: BoolMask) -> float:
    """Mean of the foreground's and the background's intersection over union."""
    return (intersection_over_union(predicted, truth) + intersection_over_union(~predicted, ~truth)) / 2


def f1_score(predicted: BoolMask, truth: BoolMask) -> float:
    """2 |A ∩ B| / (|A| + |B|) of the foreground (the Dice coefficient); 1 when both are empty."""
    total = np.count_nonzero(predicted) + np.count_nonzero(truth)
    return float(2 * np.count_nonzero(predicted & truth) / total) if total else 1.0


def recall_score(predicted: BoolMask, truth: BoolMask) -> float:
    """Share of the true foreground that is predicted; 1 when there is none."""
    total = np.count_nonzero(truth)
    return float(np.count_nonzero(predicted & truth) / total) if total else 1.0


def adjusted_rand_index(predicted: LabelMap, truth: LabelMap) -> float:
    """Adjusted Rand index over all pixels of two label maps (H, W); 1 for equal partitions, about 0 by chance."""
    return float(adjusted_rand_score(truth.ravel(), predicted.ravel()))


def evaluate(predicted: Segmentation, truth: LabelMap, true_instances: LabelMap | None = None) -> Scores:
    """Compare a segmentation with labelled classes (H, W), 0 being background, and labelled instances if there are any.

    Without instances the adjusted Rand index compares connected components (8 neighbours) of both foregrounds. Raises
    ValueError when the shapes differ.
    """
    if truth.shape != predicted.phases.shape:
        raise ValueError(f"the mask is {truth.shape}, the image {predicted.phases.shape}; they must be equal")
    foreground, true_foreground = predicted.phases > 0, truth > 0
    near = wide = None
    if true_instances is not None:
        ari = adjusted_rand_index(predicted.instances, true_instances)
        lines = grain_boundaries(predicted.instances), grain_boundaries(true_instances)
        near, wide = (boundary_agreement(*lines, tolerance) for tolerance in (2, 3))
    else:
        ari = adjusted_rand_index(label(foreground, connectivity=2), label(true_foreground, connectivity=2))
    return Scores(
        iou=class_mean_iou(foreground, true_foreground),
        iou_foreground=intersection_over_union(foreground, true_foreground),
        f1=f1_score(foreground, true_foreground),
        recall=recall_score(foreground, true_foreground),
        ari=ari,
        boundary_f1_2px=near.f1 if near else None,
        boundary_recall_2px=near.recall if near else None,
        boundary_f1_3px=wide.f1 if wide else None,
        boundary_recall_3px=wide.recall if wide else None,
    )

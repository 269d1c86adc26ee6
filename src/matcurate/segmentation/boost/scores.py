"""How well masks agree with labelled materials, as SAM-I-Am measures it (its section 4.2, equations 3 to 6).

A mask takes part in a label's mean when their intersection over union is at least ``TAKES_PART``. Boundary scores are
the same on masks cut down to a band along their outline, 2 % of the image's diagonal wide.

References
----------
B. Cheng et al., "Boundary IoU: Improving object-centric image segmentation evaluation", CVPR 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from matcurate.types import BoolMask, Candidate

TAKES_PART = 0.05
BOUNDARY = 0.02

Areas = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MaskScores:
    """Agreement of M masks with the L labels of one image, all in [0, 1].

    ``miou`` is the mean over the labels of the mean intersection over union of the masks that take part (eq. 3), 0 for
    a label without any. ``mrecall`` and ``mprecision`` come from areas averaged in the same way (eq. 4, 5). ``mfpr`` is
    as ``miou``, over the masks that take part and are not the best (eq. 6). ``matched_iou`` is the mean over the labels
    of the intersection over union with one mask each, assigned so that the sum is largest.
    """

    miou: float
    mrecall: float
    mprecision: float
    mfpr: float
    matched_iou: float


def score_masks(masks: Sequence[Candidate], labels: Sequence[BoolMask]) -> MaskScores:
    """Scores of masks against labels (H, W), of which there is at least one and none is empty."""
    shared = np.array([[_shared(mask, label) for mask in masks] for label in labels], dtype=np.float64)
    shared = shared.reshape(len(labels), len(masks))
    sizes = np.array([mask.area for mask in masks], dtype=np.float64)
    label_areas = np.array([np.count_nonzero(label) for label in labels], dtype=np.float64)[:, None]
    return _scores(shared, sizes, label_areas)


def boundary_band(mask: BoolMask, width: int) -> BoolMask:
    """Pixels of a mask (H, W) within ``width`` of its outline; the frame of the image is outline too."""
    inner = cv2.erode(
        mask.astype(np.uint8),
        np.ones((3, 3), np.uint8),
        iterations=width,
        borderType=cv2.BORDER_CONSTANT,
        borderValue=0,
    )
    return np.asarray(mask & (inner == 0))


def band_width(shape: tuple[int, int]) -> int:
    """Width in pixels of boundary bands in an image (H, W): 2 % of its diagonal, at least 1."""
    return max(1, round(BOUNDARY * float(np.hypot(*shape))))


def _scores(shared: Areas, sizes: Areas, label_areas: Areas) -> MaskScores:
    """From shared areas (L, M), areas of masks (M,) and of labels (L, 1)."""
    iou = shared / np.maximum(sizes + label_areas - shared, 1)
    takes_part = iou >= TAKES_PART
    hit = _mean_of(shared, takes_part).mean()
    wrong = _mean_of(sizes - shared, takes_part).mean()
    missed = np.where(takes_part.any(axis=1), _mean_of(label_areas - shared, takes_part), label_areas[:, 0]).mean()
    superfluous = takes_part.copy()
    if iou.shape[1]:
        superfluous[np.arange(len(iou)), iou.argmax(axis=1)] = False
    rows, columns = linear_sum_assignment(iou, maximize=True)
    return MaskScores(
        miou=float(_mean_of(iou, takes_part).mean()),
        mrecall=float(hit / (hit + missed)) if hit else 0.0,
        mprecision=float(hit / (hit + wrong)) if hit else 0.0,
        mfpr=float(_mean_of(iou, superfluous).mean()),
        matched_iou=float(iou[rows, columns].sum() / len(iou)),
    )


def _mean_of(values: Areas, chosen: NDArray[np.bool_]) -> Areas:
    """Mean (L,) of the chosen values of each row, 0 where none is."""
    return np.asarray((values * chosen).sum(axis=1) / np.maximum(chosen.sum(axis=1), 1))


def _shared(mask: Candidate, label: BoolMask) -> int:
    top, left, bottom, right = mask.box
    return int(np.count_nonzero(mask.mask & label[top:bottom, left:right]))

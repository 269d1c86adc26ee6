"""A segmentation without probabilities that follows an expert's area fractions: MatSAM's masks grow or shrink."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.stats import rankdata
from skimage.measure import label
from skimage.segmentation import watershed

from matcurate.phase.constrained import follow
from matcurate.phase.expert_ratio import ExpertRatio
from matcurate.segmentation.denoising import Grey
from matcurate.segmentation.result import Segmentation
from matcurate.types import BoolMask

REACH = 8.0
"""Distance in pixels to a phase that weighs as much as a grey level at which it is e times less likely."""
DEPTH = 8.0
"""Logarithm of the odds of the phase of a pixel against the least likely other one."""
TIE = 0.01
"""Least logarithm of those odds: no other phase is as probable."""
LEAST_DEVIATION = 3.0
"""Least standard deviation of the grey levels of a phase."""


def pseudo_shares(grey: Grey, phases: NDArray[np.uint8], count: int) -> NDArray[np.float32]:
    """Give the ``count`` phases of a segmentation (H, W) probabilities (n, H, W), of which its own is the largest.

    Grey level (normal in every phase) and distance to a phase rank the pixels of the other phases. These ranks give
    the odds. They are not calibrated. A phase that does not occur has probability 0.
    """
    levels = grey.astype(np.float32)
    scores = np.full((count, *phases.shape), -np.inf, dtype=np.float32)
    present = np.unique(phases).tolist()
    for phase in present:
        inside = phases == phase
        mean, deviation = levels[inside].mean(), max(float(levels[inside].std()), LEAST_DEVIATION)
        scores[phase] = -0.5 * ((levels - mean) / deviation) ** 2 - np.log(deviation)
        scores[phase] -= distance_transform_edt(~inside).astype(np.float32) / REACH
    own = np.take_along_axis(scores, phases[None].astype(np.intp), axis=0)[0]
    weights = np.zeros_like(scores)
    for phase in present:
        outside = phases != phase
        order = rankdata((own - scores[phase])[outside])
        weights[phase] = 1
        weights[phase][outside] = np.exp(-DEPTH * order / max(1, order.size) - TIE)
    shares: NDArray[np.float32] = weights / weights.sum(axis=0)
    return shares


def followed(segmentation: Segmentation, grey: Grey, ratio: ExpertRatio, counted: BoolMask | None) -> Segmentation:
    """Change the phases of a segmentation (H, W) to follow a ratio; only pixels that count (H, W) are used.

    A phase that the segmentation does not have is placed nowhere, whatever area it is given.
    """
    count = len(ratio.areas)
    missing = np.bincount(segmentation.phases.ravel(), minlength=count)[:count] == 0
    areas = np.where(missing & (ratio.areas != 0), np.nan, ratio.areas)
    if np.isfinite(areas).all():  # what is missing leaves its share to the matrix
        areas[0] = np.nan
    shares = follow(pseudo_shares(grey, segmentation.phases, count), areas, ratio.trust, counted=counted)
    phases = shares.argmax(axis=0).astype(np.uint8)
    return replace(segmentation, phases=phases, instances=_kept_apart(segmentation.instances, phases > 0))


def _kept_apart(instances: NDArray[np.uint32], foreground: BoolMask) -> NDArray[np.uint32]:
    """Return ids of the old objects in a changed foreground (H, W), and new ids for new objects."""
    grown = watershed(np.zeros(foreground.shape, np.uint8), np.where(foreground, instances, 0), mask=foreground)
    rest = label(foreground & (grown == 0), connectivity=1)
    return np.where(rest > 0, rest + grown.max(), grown).astype(np.uint32)

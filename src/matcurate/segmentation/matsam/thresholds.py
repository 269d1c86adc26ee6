"""Several pre-segmentations of one image, by several thresholds.

MatSAM (Li et al. 2024), section 4.2: small regions are removed "to obtain several threshold segmentation results",
whose centroids are prompts.
"""

from __future__ import annotations

import numpy as np
from skimage.filters import threshold_multiotsu

from matcurate.segmentation.denoising import Grey
from matcurate.types import BoolMask, Side

MOST_THRESHOLDS = 3
"""Multi-level Otsu tries every combination of thresholds; a fourth takes eight seconds an image."""


def foregrounds_at(grey: Grey, side: Side, thresholds: int) -> tuple[BoolMask, ...]:
    """Foregrounds (H, W) at each threshold of multi-level Otsu (Liao et al. 2001), the smallest foreground first.

    ``thresholds`` is 1 to ``MOST_THRESHOLDS``; fewer are taken where the denoised image has too few grey levels, none
    where it has one.
    """
    classes = min(thresholds + 1, len(np.unique(grey)))
    if classes < 2:
        return ()
    levels = np.sort(threshold_multiotsu(grey, classes=classes))
    if side == "bright":
        return tuple(np.asarray(grey > level) for level in levels[::-1])
    return tuple(np.asarray(grey <= level) for level in levels)

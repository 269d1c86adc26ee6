"""Grains: regions that fill the image, from the boundaries that the image and the masks show.

Boundary strength is the gradient (grains of unequal grey) plus the depth of dark lines (etched boundaries) plus votes
of the backbone's mask outlines. Watershed basins of the strength are merged, weakest mean boundary first
(average-linkage hierarchy, higra), until the strength left is that of a boundary; basins too small to be a grain are
merged whatever their boundary.

References
----------
B. Perret et al., "Higra: Hierarchical Graph Analysis", SoftwareX 10 (2019).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from skimage.feature import hessian_matrix, hessian_matrix_eigvals
from skimage.filters import threshold_otsu

from matcurate.segmentation.denoising import Field, Grey, gradient_magnitude
from matcurate.segmentation.objects.merging import Ids, tiled
from matcurate.types import BoolMask, Candidate

SCALE = 2.0
"""Standard deviation in pixels of the Gaussian derivatives."""
LINE_WEIGHT = 4.0
"""Weight of dark lines against gradients."""
BOUNDARY = 0.8
"""Mean strength from which a boundary stays, over Otsu's threshold of the strength."""


def boundary_strength(grey: Grey, candidates: Sequence[Candidate] = (), vote: float = 0.0) -> Field:
    """How likely a pixel (H, W) of a denoised image lies between two grains, in grey levels for each pixel.

    The outlines of candidates count, weighted by their quality; ``vote`` is the strength of one of quality 1, over the
    98th percentile of the image's own strength.
    """
    smooth = np.asarray(cv2.GaussianBlur(grey.astype(np.float32), (0, 0), SCALE), dtype=np.float32)
    height, width = grey.shape
    wide = np.pad(grey.astype(np.float32), ((0, 1), (0, 1)), mode="edge")  # derivatives need two pixels each way
    hessian = hessian_matrix(wide, sigma=SCALE, order="rc", mode="nearest", use_gaussian_derivatives=False)
    lines = np.clip(hessian_matrix_eigvals(hessian)[0], 0, None)[:height, :width] * (SCALE / 2)
    strength = gradient_magnitude(smooth) + LINE_WEIGHT * lines
    if vote > 0:
        strength = strength + vote * np.percentile(strength, 98) * _outline_votes(candidates, grey.shape)
    return np.asarray(strength, dtype=np.float32)


def tile(strength: Field, smallest: int) -> Ids:
    """Partition the image along strong boundaries into connected grains 1 … N (H, W); every pixel belongs to one.

    ``strength`` is that of :func:`boundary_strength`. Both grains beside a boundary have at least ``smallest`` pixels.
    """
    limit = BOUNDARY * float(threshold_otsu(strength)) if np.ptp(strength) > 0 else 0.0
    return tiled(strength, limit, smallest)


def boundary_network(instances: Ids) -> BoolMask:
    """One-pixel boundaries (H, W) between instances that tile the image: pixels left of or above another instance.

    Closed by construction: it parts every two instances for 4 neighbours, and runs into the frame of the image.
    """
    first = np.zeros(instances.shape, dtype=np.bool_)
    first[:, :-1] |= instances[:, :-1] != instances[:, 1:]
    first[:-1] |= instances[:-1] != instances[1:]
    return first


def _outline_votes(candidates: Sequence[Candidate], shape: tuple[int, ...]) -> Field:
    """Largest quality of the masks whose outline passes through each pixel, as wide as the image's own boundaries."""
    votes = np.zeros(shape, dtype=np.float32)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    for candidate in candidates:
        top, left, bottom, right = candidate.box
        mask = candidate.mask.astype(np.uint8)
        rim = mask > cv2.erode(mask, cross, borderType=cv2.BORDER_CONSTANT, borderValue=0)
        window = votes[top:bottom, left:right]
        np.maximum(window, np.float32(candidate.quality) * rim, out=window)
    wide = cv2.GaussianBlur(votes, (0, 0), SCALE) * np.float32(SCALE * np.sqrt(2 * np.pi))
    return np.asarray(np.minimum(wide, 1.0), dtype=np.float32)

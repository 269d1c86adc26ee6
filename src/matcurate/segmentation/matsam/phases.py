"""Several phases by grey level, and touching objects split at their necks.

Phases: plateaus of the denoised image (where the gradient is not that of an edge) are classified by the valleys between
the modes of their grey levels, by multi-level Otsu where there are too few modes; pixels on edges, whose grey only
passes through the levels between two phases, go to the plateau from which a flood of the gradient reaches them (Meyer
1994). Phases of equal grey are separated by texture instead, in :mod:`matcurate.segmentation.boost`.

References
----------
P.-S. Liao, T.-S. Chen, P.-C. Chung, "A fast algorithm for multilevel thresholding", J. Inf. Sci. Eng. 17 (2001).
F. Meyer, "Topographic distance and watershed lines", Signal Processing 38 (1994).
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter1d
from scipy.signal import find_peaks
from skimage.filters import threshold_multiotsu, threshold_otsu
from skimage.measure import label
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import watershed

from matcurate.segmentation.denoising import Grey, gradient_magnitude
from matcurate.types import BoolMask, Side

Classes = NDArray[np.uint8]
Ids = NDArray[np.uint32]

MOST = 4
"""Maximum number of phases beside the matrix."""
BANDWIDTH = 5.0
"""Standard deviation in grey levels by which a histogram is smoothed before its modes are counted."""
PROMINENCE, FAINT = 0.05, 0.005
"""Minimum height of a mode above its valley, over the highest mode: to estimate the number of phases, and given it."""
DEPTH, LEAST_DEPTH = 0.3, 0.5
"""Two parts are two objects when the neck between them is thinner than both by this share, and by these pixels."""


def plateaus(grey: Grey) -> BoolMask:
    """Pixels (H, W) whose gradient is not that of an edge; all of a constant image."""
    gradient = gradient_magnitude(grey.astype(np.float32))
    if np.ptp(gradient) == 0:
        return np.ones(grey.shape, dtype=np.bool_)
    return np.asarray(gradient <= threshold_otsu(gradient) / 2)


def count_phases(grey: Grey) -> int:
    """Phases beside the matrix, by the modes of the grey levels on the plateaus; 1 to ``MOST``."""
    return int(np.clip(len(_modes(grey[plateaus(grey)], PROMINENCE)[0]) - 1, 1, MOST))


def phases_by_grey(grey: Grey, side: Side | None, count: int) -> Classes:
    """Matrix 0 and phases 1 … ``count`` from dark to bright of a denoised image (H, W).

    The matrix is the darkest class when objects are bright, the brightest when they are dark; for ``side`` None it is
    the class of the most connected pieces: the largest sum of squared areas.
    """
    flat = plateaus(grey)
    if len(np.unique(grey[flat])) <= count:
        return np.zeros(grey.shape, dtype=np.uint8)
    levels = np.digitize(grey, _thresholds(grey[flat], count), right=True)
    seeds = np.where(flat, levels + 1, 0)
    gradient = gradient_magnitude(grey.astype(np.float32))
    classes = watershed(gradient, seeds) - 1
    matrix = {"bright": 0, "dark": count, None: int(np.argmax([_held(classes == k) for k in range(count + 1)]))}[side]
    rank = np.concatenate([np.arange(1, matrix + 1), [0], np.arange(matrix + 1, count + 1)])
    return np.asarray(rank[classes], dtype=np.uint8)


def explained(grey: Grey, classes: Classes) -> float:
    """Share of the variance of the grey levels (H, W) that lies between the classes (Otsu's η), in [0, 1]."""
    sizes = np.bincount(classes.ravel())
    means = np.bincount(classes.ravel(), weights=grey.ravel()) / np.maximum(sizes, 1)
    whole = float(np.var(grey))
    between = float(np.sum(sizes * (means - grey.mean()) ** 2)) / grey.size
    return min(1.0, between / whole) if whole > 0 else 0.0


def split_at_necks(foreground: BoolMask) -> Ids:
    """Objects 1 … N of a foreground (H, W), touching ones split at their necks.

    Watershed on the distance from the outline, from its maxima. A maximum counts as an object of its own when every way
    to a higher one leads over a neck that is thinner by ``DEPTH`` of it, and by ``LEAST_DEPTH`` pixels.
    """
    depth = distance_transform_edt(np.pad(foreground, 1))[1:-1, 1:-1]
    lowered = np.maximum((1 - DEPTH) * depth - LEAST_DEPTH, 0)
    seeds = label(local_maxima(reconstruction(lowered, depth, method="dilation")) & foreground, connectivity=2)
    rest = label(foreground, connectivity=1)
    unseeded = ~np.isin(rest, np.unique(rest[seeds > 0])) & foreground  # too thin for a seed
    seeds[unseeded] = rest[unseeded] + seeds.max()
    return np.asarray(label(watershed(-depth, seeds, mask=foreground), background=0, connectivity=1), dtype=np.uint32)


def _thresholds(levels: NDArray[np.uint8], count: int) -> NDArray[np.float64]:
    """Valleys between the ``count + 1`` most prominent modes; multi-level Otsu where there are too few of them."""
    modes, smooth = _modes(levels, FAINT)
    if len(modes) <= count:
        return np.asarray(threshold_multiotsu(levels, classes=count + 1), dtype=np.float64)
    ordered = np.sort(modes[: count + 1])
    valleys = [low + int(np.argmin(smooth[low:high])) for low, high in pairwise(ordered.tolist())]
    return np.asarray(valleys, dtype=np.float64)


def _modes(levels: NDArray[np.uint8], prominence: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Grey levels of the modes, the most prominent first, and the smoothed histogram (256,)."""
    histogram = np.bincount(levels.ravel(), minlength=256).astype(np.float64)
    smooth = np.asarray(gaussian_filter1d(histogram, BANDWIDTH, mode="constant"), dtype=np.float64)
    modes, properties = find_peaks(np.pad(smooth, 1), prominence=prominence * smooth.max())
    return np.asarray(modes[np.argsort(-properties["prominences"], kind="stable")] - 1, dtype=np.int64), smooth


def _held(mask: BoolMask) -> float:
    labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)[1]
    return float(np.sum(np.bincount(labels.ravel())[1:].astype(np.float64) ** 2))

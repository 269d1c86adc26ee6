"""Classical methods, none of them trained: those the MatSAM paper compares with (section 4.3), and bias-corrected Otsu.

Each takes a micrograph and a polarity, and gives the foreground of a threshold or of closed edges as class 1, with
instances. Their score is Otsu's separability, since they predict no quality of their own.

References
----------
N. Otsu, "A threshold selection method from gray-level histograms", IEEE Trans. SMC 9 (1979).
J. Canny, "A computational approach to edge detection", IEEE TPAMI 8 (1986).
F. Meyer, "Topographic distance and watershed lines", Signal Processing 38 (1994).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, distance_transform_edt
from skimage.feature import peak_local_max
from skimage.filters import sobel, threshold_otsu
from skimage.measure import label
from skimage.segmentation import watershed as flood

from matcurate.config import Polarity
from matcurate.imaging.proxy import to_uint8
from matcurate.segmentation.bias import bias_field
from matcurate.segmentation.denoising import Field, Grey, otsu_foreground, separability
from matcurate.segmentation.polarity import decide_side
from matcurate.segmentation.result import Segmentation
from matcurate.types import BoolMask, Pixels, Side

Baseline: TypeAlias = Callable[[Pixels, Polarity], Segmentation]

NEIGHBOURHOOD = 8
"""Windows of the adaptive threshold are one eighth of the shorter edge."""
ADAPTIVE_OFFSET = 2
"""Grey levels by which a pixel must differ from the mean of its window."""
CLOSING = 3
"""Edge length in pixels of the square that closes gaps between Canny edges."""
SEED_DISTANCE = 5
"""Minimum distance in pixels between two seeds of the watershed."""


def otsu(pixels: Pixels, polarity: Polarity = "auto") -> Segmentation:
    """5 × 5 Gaussian blur, then Otsu's threshold; instances are the connected components (8 neighbours)."""
    grey = blurred(pixels)
    return _result(grey, otsu_foreground(grey, decide_side(pixels, polarity)))


def bias(pixels: Pixels, polarity: Polarity = "auto") -> Segmentation:
    """Otsu's threshold after a 5 × 5 Gaussian blur and the removal of uneven illumination (:mod:`.bias`).

    It finds what :func:`otsu` finds on an evenly lit micrograph, and stands shading.
    """
    bright = bright_class(pixels)
    uniform = not bright.any()
    foreground = bright if uniform or corrected_side(pixels, polarity) == "bright" else ~bright
    grey = blurred(pixels)
    return _result(np.asarray(grey - bias_field(grey), dtype=np.float32), foreground)


def bright_class(pixels: Pixels) -> BoolMask:
    """Pixels (H, W) above Otsu's threshold of the blurred micrograph without its uneven illumination."""
    grey = blurred(pixels)
    return otsu_foreground(np.asarray(grey - bias_field(grey), dtype=np.float32), "bright")


def corrected_side(pixels: Pixels, polarity: Polarity = "auto") -> Side:
    """Side of the foreground, decided on the micrograph (H, W) without its uneven illumination."""
    if polarity != "auto":
        return polarity
    return decide_side(to_uint8(pixels) - bias_field(blurred(pixels)))


def adaptive(pixels: Pixels, polarity: Polarity = "auto") -> Segmentation:
    """Threshold at the Gaussian-weighted mean of a window around each pixel."""
    grey = blurred(pixels)
    window = max(3, min(grey.shape) // NEIGHBOURHOOD // 2 * 2 + 1)
    side = decide_side(pixels, polarity)
    kind, offset = (
        (cv2.THRESH_BINARY, -ADAPTIVE_OFFSET) if side == "bright" else (cv2.THRESH_BINARY_INV, ADAPTIVE_OFFSET)
    )
    mask = cv2.adaptiveThreshold(grey, 1, cv2.ADAPTIVE_THRESH_GAUSSIAN_C, kind, window, offset)
    return _result(grey, mask.astype(np.bool_))


def canny(pixels: Pixels, polarity: Polarity = "auto") -> Segmentation:
    """Canny edges, closed and filled; of the closed areas those on the foreground's side of Otsu's threshold."""
    grey = blurred(pixels)
    edges = canny_edges(grey)
    closed = cv2.morphologyEx(edges, cv2.MORPH_CLOSE, np.ones((CLOSING, CLOSING), np.uint8)).astype(np.bool_)
    inside = label(binary_fill_holes(closed) & ~closed, connectivity=1)
    foreground = otsu_foreground(grey, decide_side(pixels, polarity))
    count = int(inside.max()) + 1
    agreement = np.bincount(inside.ravel(), weights=foreground.ravel(), minlength=count)
    kept = agreement > 0.5 * np.bincount(inside.ravel(), minlength=count)
    kept[0] = False
    grown = cv2.dilate(kept[inside].astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.bool_)
    return _result(grey, grown & (foreground | kept[inside]))


def watershed(pixels: Pixels, polarity: Polarity = "auto") -> Segmentation:
    """Watershed of the gradient from seeds deep inside both sides of Otsu's threshold; splits touching objects."""
    grey = blurred(pixels)
    foreground = otsu_foreground(grey, decide_side(pixels, polarity))
    depth = distance_transform_edt(foreground)
    peaks = peak_local_max(depth, min_distance=SEED_DISTANCE, labels=label(foreground, connectivity=2))
    seeds = np.zeros(grey.shape, dtype=np.int32)
    seeds[tuple(peaks.T)] = np.arange(2, len(peaks) + 2)
    seeds[distance_transform_edt(~foreground) > 2] = 1
    if not seeds.any():
        return _result(grey, foreground)
    basins = flood(sobel(grey), seeds)
    return _result(grey, basins > 1, np.where(basins > 1, basins - 1, 0))


BASELINES: dict[str, Baseline] = {
    "otsu": otsu,
    "bias": bias,
    "adaptive": adaptive,
    "canny": canny,
    "watershed": watershed,
}
"""Registry of the classical methods."""


def blurred(pixels: Pixels) -> Grey:
    """8-bit proxy after a 5 × 5 Gaussian blur."""
    return np.asarray(cv2.GaussianBlur(to_uint8(pixels), (5, 5), 0), dtype=np.uint8)


def canny_edges(grey: Grey) -> Grey:
    """Canny edges (0 or 1): the upper threshold is Otsu's of the gradient, the lower is half of it."""
    gradient = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    high = float(threshold_otsu(gradient)) if np.ptp(gradient) > 0 else 1.0
    return np.asarray(cv2.Canny(grey, high / 2, high, L2gradient=True) > 0).astype(np.uint8)


def _result(grey: Grey | Field, foreground: BoolMask, instances: NDArray[np.integer] | None = None) -> Segmentation:
    ids = label(foreground, connectivity=2) if instances is None else instances
    return Segmentation(
        phases=foreground.astype(np.uint8),
        instances=ids.astype(np.uint32),
        score=separability(grey, foreground),
    )

"""Grey values as the network sees them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from matcurate.types import Pixels

SPREAD = 0.6
"""Standard deviation of the network's input, about that of a photograph in [-1, 1], which its encoder began with."""
OUTLIERS = (0.5, 99.5)
"""Percentiles beyond which grey values are cut off."""

SHARP, SOFTER = 0.8, 0.7
"""Sharpness of edges beyond that of all training pictures, and the Gaussian that such an image is blurred with."""
SAMPLED = 1024
"""Maximum number of rows and columns that sharpness is measured on."""


def softened(pixels: Pixels) -> Pixels:
    """Image (H, W) with edges as soft as those of the training pictures; the image itself where they are.

    Few microscopes make an edge within one pixel; drawings, enlarged pixels and sharpening do.
    """
    if min(pixels.shape) < 3 or np.ptp(pixels) == 0:
        return pixels
    grey = pixels.astype(np.float32)
    if sharpness(grey) >= SHARP:
        return np.asarray(cv2.GaussianBlur(grey, (0, 0), SOFTER), dtype=np.float32)
    return pixels


def sharpness(grey: NDArray[np.float32]) -> float:
    """Step between two neighbours over that between the second neighbours, at the strongest edges of an image (H, W).

    1 for an edge within one pixel, about one half for a soft one. A median of 3 x 3 pixels removes impulse noise.
    """
    filtered = cv2.medianBlur(np.ascontiguousarray(grey[:SAMPLED, :SAMPLED]), 3)
    ratios = []
    for image in (filtered, filtered.T):
        single, double = np.abs(np.diff(image, axis=1)), np.abs(image[:, 2:] - image[:, :-2])
        strongest = double >= max(float(np.quantile(double, 0.995)), 1e-6)
        steps = np.maximum(single[:, 1:], single[:, :-1])[strongest] / double[strongest]
        ratios.append(float(np.median(steps)) if steps.size else 0.0)
    return max(ratios)


def standardised(pixels: Pixels) -> NDArray[np.float32]:
    """Image (H, W) with outliers cut off, mean 0 and standard deviation :data:`SPREAD`; a constant image becomes 0."""
    grey = pixels.astype(np.float32)
    low, high = np.percentile(grey, OUTLIERS)
    if not high > low:  # nearly everything is equal: the few other pixels are all there is
        low, high = float(grey.min()), float(grey.max())
    np.clip(grey, low, high, out=grey)
    grey -= grey.mean(dtype=np.float64)
    deviation = float(cv2.meanStdDev(grey)[1].item())
    if deviation > 0:
        grey *= SPREAD / deviation
    return np.asarray(grey, dtype=np.float32)

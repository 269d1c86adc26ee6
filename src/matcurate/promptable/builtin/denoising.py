"""Grey levels for component trees: stretched, and calm where the image is noisy."""

from __future__ import annotations

import cv2
import numpy as np

from matcurate.imaging.stretch import stretched
from matcurate.promptable.tree.relief import Relief, noise
from matcurate.types import Pixels

DIAMETER = 7
"""Of the neighbourhood that is averaged, in pixels."""
REACH = 3.0
"""Standard deviation of the Gaussian over that neighbourhood, in pixels."""
LIKENESS = 3.0
"""Standard deviation over grey values, as a multiple of the noise's."""
LEAST = 1e-4
"""Of the full range of grey; less than this is no noise."""
BLUR = 0.8
"""Standard deviation in pixels of the Gaussian after it."""


def calmed(pixels: Pixels) -> Relief:
    """Grey values (H, W) in [0, 1] of an image of any depth, by a bilateral filter (Tomasi and Manduchi 1998).

    As good a ground for trees as non-local means, at a twentieth of its cost.
    """
    grey = stretched(pixels).reshape(pixels.shape)
    strength = LIKENESS * noise(grey)
    if strength > LEAST:
        grey = np.asarray(cv2.bilateralFilter(grey, DIAMETER, strength, REACH), dtype=np.float32)
    return stretched(np.asarray(cv2.GaussianBlur(grey, (0, 0), BLUR), dtype=np.float32).reshape(pixels.shape))

"""A map of numbers over the micrograph, for the eye: from grey through yellow to red."""

import numpy as np
from numpy.typing import NDArray

from matcurate.types import FloatArray

YELLOW, RED = (255.0, 212.0, 0.0), (208.0, 0.0, 0.0)
STRONGEST = 0.75
"""Share of red where the map is at its top: what lies below stays visible."""


def heat_overlay(grey: NDArray[np.uint8], heat: FloatArray, top: float) -> NDArray[np.uint8]:
    """Tint a micrograph (H, W): not at all where the map is 0, yellowish half-way, red at ``top`` > 0 and above.

    ``heat`` is (H, W), finite and not negative. Returns uint8 (H, W, 3). Raises ValueError when the sizes differ, or
    ``top`` is not positive.
    """
    if grey.shape != heat.shape or not top > 0:
        raise ValueError(f"micrograph {grey.shape} and map {heat.shape} differ in size, or top {top} is not positive")
    strength = np.clip(heat / top, 0.0, 1.0)[..., None]
    colour = np.array(YELLOW) * (1 - strength) + np.array(RED) * strength
    share = STRONGEST * strength
    return np.asarray(np.rint(grey[..., None] * (1 - share) + colour * share), dtype=np.uint8)

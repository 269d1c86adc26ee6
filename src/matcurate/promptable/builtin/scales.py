"""Run the network at the magnifications that suit a micrograph's objects, and combine its outputs.

The network learned from crops of some 200 pixels: objects of a few pixels are too small for it, and of those larger
than a crop it sees no end. Small objects are therefore seen once more at twice the size, large ones at a half and a
quarter, where the result at full size is doubtful.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from matcurate.promptable.builtin.inference import output_maps
from matcurate.promptable.builtin.network import ObjectNet
from matcurate.types import BoolMask, Pixels

Logits = NDArray[np.float32]

SMALL, LARGE = 14.0, 60.0
"""Median diameter in pixels below which a micrograph is enlarged, and from which it is reduced."""
MOST_ENLARGED = 4_000_000
"""Maximum number of pixels of a micrograph that is enlarged; a larger one would take minutes."""
REDUCED = (0.5, 0.25)
LEAST_EDGE = 64
"""Minimum length of the shorter edge of a reduced micrograph, in pixels."""
NEAR = 6.0
"""Standard deviation in pixels of the Gaussian over which the doubt of the foreground is averaged."""
DOUBT = 2.0
"""Mean size of the log-odds at which reduced views count half."""
CLIPPED = 1e-3
"""Probabilities closer to 0 or 1 count as this."""


def joined_maps(network: ObjectNet, pixels: Pixels) -> NDArray[np.float16]:
    """Probabilities (4, H, W) of the network's outputs, over all sizes that suit the objects.

    Parameters and errors are those of :func:`~matcurate.promptable.builtin.inference.output_maps`.
    """
    maps = output_maps(network, pixels)
    diameter = median_diameter(maps[0] > 0.5)
    if 0 < diameter < SMALL and pixels.size <= MOST_ENLARGED:
        fine = _seen_at(network, pixels, 2.0)
        for output, full in enumerate(maps):
            maps[output] = _probabilities(_logits(full) + 2 * _logits(_resized(fine[output], full.shape)))
        return maps
    factors = [factor for factor in REDUCED if factor * min(pixels.shape) >= LEAST_EDGE]
    if diameter < LARGE or not factors:
        return maps
    doubt = cv2.GaussianBlur(np.abs(_logits(maps[0])), (0, 0), NEAR)
    weight = np.clip(1.5 - doubt / DOUBT, 0, 1).astype(np.float32)
    if not weight.any():
        return maps
    coarse = [_seen_at(network, pixels, factor) for factor in factors]
    for output, full in enumerate(maps):
        logits = _logits(full)
        for view in coarse:  # made as large as the image one at a time: all of them would take several times its memory
            logits += weight * _logits(_resized(view[output], full.shape))
        maps[output] = _probabilities(logits)
    return maps


def median_diameter(foreground: BoolMask) -> float:
    """Equivalent diameter in pixels of the object that holds the median pixel of a foreground (H, W); 0 for none."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(foreground.astype(np.uint8), connectivity=4)
    areas = np.sort(stats[1:, cv2.CC_STAT_AREA].astype(np.float64))
    if count < 2:
        return 0.0
    running = np.cumsum(areas)
    return float(2 * np.sqrt(areas[np.searchsorted(running, running[-1] / 2)] / np.pi))


def _seen_at(network: ObjectNet, pixels: Pixels, factor: float) -> NDArray[np.float16]:
    """Maps (4, h, w) of the micrograph enlarged or reduced by a factor."""
    height, width = pixels.shape
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    kind = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return output_maps(network, np.asarray(cv2.resize(pixels.astype(np.float32), size, interpolation=kind)))


def _resized(probability: NDArray[np.float16], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Map (h, w) at the size of the image (H, W)."""
    height, width = shape
    kind = cv2.INTER_LINEAR if height > len(probability) else cv2.INTER_AREA
    resized = cv2.resize(torch.from_numpy(probability).float().numpy(), (width, height), interpolation=kind)
    return np.asarray(resized, dtype=np.float32)


def _logits(probability: NDArray[np.floating]) -> Logits:
    # torch converts half precision in hardware, NumPy does not.
    return np.asarray(torch.logit(torch.from_numpy(probability).float(), eps=CLIPPED).numpy())


def _probabilities(logits: Logits) -> NDArray[np.float16]:
    return np.asarray(torch.from_numpy(logits).sigmoid().half().numpy())

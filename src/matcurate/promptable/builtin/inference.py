"""Run the network over an image of any size, in overlapping windows blended into each other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from matcurate.promptable.builtin.network import OUTPUTS, ObjectNet
from matcurate.promptable.builtin.standard import standardised
from matcurate.types import Pixels

WINDOW = 1024
"""Largest edge of a window in pixels."""
STEP = ObjectNet.stride
"""Edges of windows are multiples of this: the network would pad others."""
OVERLAP = 128
"""Pixels over which two neighbouring windows are blended."""


def output_maps(network: ObjectNet, pixels: Pixels, window: int = WINDOW) -> NDArray[np.float16]:
    """Probabilities (4, H, W) of the network's outputs, in the order of ``OUTPUTS``.

    The network is in evaluation mode, on any device; ``window`` is the largest edge of a window in pixels, more than
    twice the overlap. Raises ValueError when the image is not two-dimensional, is empty or is not finite.
    """
    if pixels.ndim != 2 or pixels.size == 0:
        raise ValueError(f"pixels must be a non-empty (H, W) array, got shape {pixels.shape}")
    if not np.isfinite(pixels).all():
        raise ValueError("pixels must be finite")
    image = torch.from_numpy(standardised(pixels))
    height, width = image.shape
    maps = torch.zeros(len(OUTPUTS), height, width, dtype=torch.half)
    device = next(network.parameters()).device
    with torch.inference_mode():
        for rows, down in _windows(height, window):
            for columns, across in _windows(width, window):
                part = image[rows, columns][None, None].to(device, memory_format=torch.channels_last)
                probability = network(part)[0].float().sigmoid().cpu()
                maps[:, rows, columns] += (probability * torch.from_numpy(down[:, None] * across)).half()
    return np.asarray(maps.numpy())


def _windows(length: int, window: int) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Equal windows along one axis and the weight of each of their pixels; the weights of a pixel sum to 1."""
    if length <= window:
        yield slice(0, length), np.ones(length, dtype=np.float32)
        return
    count = -(-(length - OVERLAP) // (window - OVERLAP))
    least = -(-(length + (count - 1) * OVERLAP) // count)
    window = min(window, -(-least // STEP) * STEP)
    starts = np.linspace(0, length - window, count).round().astype(int)
    for number, start in enumerate(starts):
        weight = np.ones(window, dtype=np.float32)
        if number:
            shared = int(starts[number - 1]) + window - start
            weight[:shared] = _rising(shared)
        if number + 1 < count:
            shared = start + window - int(starts[number + 1])
            weight[window - shared :] -= _rising(shared)  # where three windows overlap, the rise is not over yet
        yield slice(start, start + window), weight


def _rising(length: int) -> NDArray[np.float32]:
    return ((np.arange(length, dtype=np.float32) + 0.5) / length).astype(np.float32)

"""Segment a micrograph of any size: overlapping windows, blended."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import functional

from matcurate.phase.model import Description, SegmentationModel
from matcurate.phase.ratios import Ratio
from matcurate.phase.samples import scaled_shape
from matcurate.types import Progress, silent

WINDOW = 1024
OVERLAP = 0.25
"""Least part of a window that its neighbour covers too."""


def phase_shares(
    model: SegmentationModel,
    grey: NDArray[np.float32],
    ratio: Ratio,
    *,
    window: int = WINDOW,
    progress: Progress = silent,
) -> NDArray[np.float32]:
    """Predict the probability of every phase at every pixel, float32 (n, H, W), with sum 1 over the phases.

    ``grey`` (H, W), float32 in [0, 1], finite, may be smaller than a window; ``ratio`` (n,) is that of the whole
    micrograph, zeros where the expert gave none; ``window`` is the edge of a window in pixels as the model sees them,
    unless it prescribes one. The model is put into evaluation mode. Raises ValueError when ``grey`` or ``ratio`` is not
    like that.
    """
    return blended_maps(model, grey, ratio, phase_probabilities, window=window, progress=progress)


def phase_probabilities(description: Description) -> Tensor:
    """Probability of every phase, (B, n, H, W)."""
    return description.logits.float().softmax(dim=1)


def blended_maps(
    model: SegmentationModel,
    grey: NDArray[np.float32],
    ratio: Ratio,
    of: Callable[[Description], Tensor],
    *,
    window: int = WINDOW,
    progress: Progress = silent,
) -> NDArray[np.float32]:
    """Maps (C, H, W) of whatever follows from the model's description of a window, blended where windows overlap.

    ``of`` gives (1, C, h, w) for a window of (h, w) pixels; all else, and errors, as of :func:`phase_shares`.
    """
    if grey.ndim != 2 or not grey.size or not np.isfinite(grey).all():
        raise ValueError(f"grey must be a finite, non-empty (H, W) array, got shape {grey.shape}")
    if ratio.shape != (model.phases,):
        raise ValueError(f"ratio must have {model.phases} values, got shape {ratio.shape}")
    model.eval()
    ratios = torch.from_numpy(ratio).float()
    maps = _blended(model, model_input(model, grey), ratios, of, model.window or window, progress)
    if model.scale != 1:
        maps = functional.resize(maps, list(grey.shape), antialias=False)
    result: NDArray[np.float32] = maps.numpy()
    return result


def model_input(model: SegmentationModel, grey: NDArray[np.float32]) -> Tensor:
    """A micrograph (H, W) of grey values in [0, 1] at the model's magnification and in its units, (H', W')."""
    image = torch.from_numpy(grey)
    if model.scale != 1:
        image = functional.resize(image[None], scaled_shape(grey.shape, model.scale), antialias=True)[0]
    levels = model.levels(image)
    return (image - levels.zero) / (levels.one - levels.zero)


def _blended(
    model: SegmentationModel,
    image: Tensor,
    ratio: Tensor,
    of: Callable[[Description], Tensor],
    edge: int,
    progress: Progress,
) -> Tensor:
    """Maps (C, H, W) of an image (H, W) in the model's units: those of its windows, weighed by :func:`_blend`."""
    device = next(model.parameters()).device
    height, width = image.shape
    corners = windows((height, width), edge)
    total, weight = torch.zeros(0, height, width), torch.zeros(height, width)
    with torch.inference_mode():
        for done, (top, left) in enumerate(corners):
            progress(done, len(corners))
            area = (slice(top, top + edge), slice(left, left + edge))
            maps = of(model.described(image[area][None, None].to(device), ratio[None].to(device)))[0].cpu()
            blend = _blend(maps.shape[1])[:, None] * _blend(maps.shape[2])
            total = total if len(total) else maps.new_zeros(len(maps), height, width)
            total[(slice(None), *area)] += blend * maps
            weight[area] += blend
    progress(len(corners), len(corners))
    return total / weight


def segment_phases(
    model: SegmentationModel, grey: NDArray[np.float32], ratio: Ratio, *, window: int = WINDOW
) -> NDArray[np.uint8]:
    """Most probable phase of every pixel, (H, W); arguments and errors as of :func:`phase_shares`."""
    shares = phase_shares(model, grey, ratio, window=window)
    labels: NDArray[np.uint8] = shares.argmax(axis=0).astype(np.uint8)
    return labels


def windows(shape: tuple[int, ...], edge: int) -> list[tuple[int, int]]:
    """Upper left corners of the windows of ``edge`` that cover (H, W)."""
    return [(top, left) for top in starts(shape[0], edge) for left in starts(shape[1], edge)]


def starts(side: int, edge: int) -> list[int]:
    """First pixels of windows of ``edge`` that cover ``side`` evenly and overlap by a quarter or more."""
    if side <= edge:
        return [0]
    step = max(1, int(edge * (1 - OVERLAP)))
    count = -(-(side - edge) // step) + 1
    return [round(index * (side - edge) / (count - 1)) for index in range(count)]


def _blend(count: int) -> Tensor:
    """Weights (count,) that fall from the middle to the borders, positive."""
    return 1 - (torch.linspace(-1, 1, count + 2)[1:-1]).abs() + 1e-3

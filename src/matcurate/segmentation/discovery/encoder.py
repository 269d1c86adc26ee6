"""Texture features of the shipped encoder: outputs of six of its blocks, their positive and negative parts apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from matcurate.promptable.builtin.network import ObjectNet
from matcurate.segmentation.fisher.neighbours import Grey
from matcurate.types import FloatArray, Progress, silent

STRIDE = 4
"""Pixels between two places of features."""
STAGES = 6
"""Of EfficientNet-Lite0: they end with its blocks 0, 2, 4, 7, 10 and 14."""
CORE, HALO = 512, 128
"""Edge of the part of a window whose features are kept, and what the network sees around it, in pixels."""


def block_features(network: ObjectNet, images: Tensor) -> Tensor:
    """Features (B, 928, H / 4, W / 4) of standardised images (B, 1, H, W) with edges that are multiples of 32."""
    encoder: Any = network.encoder
    x = encoder.bn1(encoder.conv_stem(images))
    size = (images.shape[-2] // STRIDE, images.shape[-1] // STRIDE)
    maps = []
    for stage in list(encoder.blocks)[:STAGES]:
        x = stage(x)
        for part in (functional.relu(x), functional.relu(-x)):
            if part.shape[-1] > size[-1]:
                maps.append(functional.adaptive_avg_pool2d(part, size))
            else:
                maps.append(functional.interpolate(part, size, mode="bilinear"))
    return torch.cat(maps, dim=1)


def encoded(
    network: ObjectNet, image: Grey, project: Callable[[FloatArray], FloatArray], progress: Progress = silent
) -> FloatArray:
    """Projected features (ceil(H / 4), ceil(W / 4), d) of a standardised image (H, W), window by window.

    ``project`` maps features (n, 928) to (n, d): all 928 of a large image at once would fill the memory.
    """
    height, width = image.shape
    cells = (-(-height // STRIDE), -(-width // STRIDE))
    padded = np.pad(image, ((HALO, HALO + -height % 32), (HALO, HALO + -width % 32)), mode="reflect")
    field: FloatArray | None = None
    device = next(network.parameters()).device
    windows = list(_windows(height, width))
    for done, (top, left) in enumerate(windows):
        progress(done, len(windows), "features")
        part = np.ascontiguousarray(padded[top : top + CORE + 2 * HALO, left : left + CORE + 2 * HALO])
        with torch.inference_mode():
            features = block_features(network, torch.from_numpy(part)[None, None].to(device))[0].cpu().numpy()
        edge = HALO // STRIDE
        kept = features[:, edge:-edge, edge:-edge]
        values = project(np.moveaxis(kept, 0, -1).reshape(-1, len(features)))
        if field is None:
            field = np.zeros((*cells, values.shape[1]), np.float32)
        row, column = top // STRIDE, left // STRIDE
        target = field[row : row + kept.shape[1], column : column + kept.shape[2]]
        target[:] = values.reshape(*kept.shape[1:], -1)[: target.shape[0], : target.shape[1]]
    if field is None:
        raise ValueError(f"image {image.shape} is empty")
    return field


def _windows(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Top and left of the kept part of each window, in pixels of the image."""
    for top in range(0, height, CORE):
        for left in range(0, width, CORE):
            yield top, left

"""Run the network over an image of any size, in tiles whose seams cannot be seen."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from matcurate.promptable.builtin.network import UNet, standardised
from matcurate.types import Pixels

CORE = 1024
"""Edge of the part of a tile that is kept."""


def folded(network: UNet) -> UNet:
    """A copy for inference alone, with every batch norm inside the convolution before it; the same but for rounding.

    Parameters
    ----------
    network : UNet
        It stays as it is, for what is learned on top of it.
    """
    copy = deepcopy(network).eval()
    for block in (*copy.encoder, *copy.decoder):
        if not isinstance(block, nn.Sequential):
            continue
        for index, (before, layer) in enumerate(pairwise(list(block)), start=1):
            if isinstance(before, nn.Conv2d) and isinstance(layer, nn.BatchNorm2d):
                block[index - 1], block[index] = fuse_conv_bn_eval(before, layer), nn.Identity()
    return copy


def probabilities(network: UNet, pixels: Pixels, core: int = CORE) -> NDArray[np.float32]:
    """Probability of every head at every pixel.

    The image is standardised as a whole. Each tile overlaps its neighbours by the reach of the network and only its
    core is kept, so the result does not depend on the tiling.

    Parameters
    ----------
    network : UNet
        In evaluation mode, on any device.
    pixels : uint8, uint16 or float array (H, W)
        Finite and not empty.
    core : int
        Edge of the kept part in pixels, at least 1; rounded up to the network's stride.

    Returns
    -------
    float32 array (heads, H, W)
        In [0, 1].

    Raises
    ------
    ValueError
        When the image is not two-dimensional, is empty or is not finite.
    """
    if pixels.ndim != 2 or pixels.size == 0:
        raise ValueError(f"pixels must be a non-empty (H, W) array, got shape {pixels.shape}")
    if not np.isfinite(pixels).all():
        raise ValueError("pixels must be finite")
    stride = network.settings.stride
    step = -(-core // stride) * stride
    margin = -(-network.settings.reach // stride) * stride
    image = standardised(torch.from_numpy(pixels.astype(np.float64))).float()
    height, width = image.shape
    found = torch.empty(len(network.settings.heads), height, width)
    device = next(network.parameters()).device
    with torch.inference_mode():
        for top in range(0, height, step):
            for left in range(0, width, step):
                above, before = max(0, top - margin), max(0, left - margin)
                tile = image[above : top + step + margin, before : left + step + margin]
                logits = network(tile[None, None].to(device))[0]
                kept = logits[:, top - above : top - above + step, left - before : left - before + step]
                found[:, top : top + step, left : left + step] = kept.float().sigmoid().cpu()
    return found.numpy()

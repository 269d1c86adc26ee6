"""Run the network over an image of any size, in tiles whose seams cannot be seen."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise, product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from matcurate.promptable.builtin.network import Rising, UNet, standardised
from matcurate.types import Pixels

CORE = 1024
"""Edge of the part of a tile that is kept."""


class Merged(nn.Module):
    """What :class:`~matcurate.promptable.builtin.network.Rising` does, without ever enlarging the coarse map.

    A 3 x 3 convolution of a map whose pixels are repeated twice along both axes is a transposed convolution of the map
    itself, with a stride of 2 and weights of 4 x 4. More than half of its products go, and no large map is made
    or copied.

    Parameters
    ----------
    layers : Rising
        The first of them a convolution, in which batch norms already are.
    """

    enlarged: Tensor
    of_skip: Tensor
    bias: Tensor | None

    def __init__(self, layers: Rising) -> None:
        super().__init__()
        first, *rest = layers
        if not isinstance(first, nn.Conv2d):
            raise TypeError(f"a convolution comes first, got {type(first).__name__}")
        high, low = first.out_channels, first.in_channels - first.out_channels
        weight, of_skip = first.weight.detach()[:, :low], first.weight.detach()[:, low:]
        enlarged = torch.zeros(low, high, 4, 4, dtype=weight.dtype, device=weight.device)
        for row, column in product(range(2), repeat=2):  # a coarse pixel's copies, each of them seen by 3 x 3 weights
            enlarged[:, :, row : row + 3, column : column + 3] += weight.flip(2, 3).transpose(0, 1)
        self.register_buffer("enlarged", enlarged)
        self.register_buffer("of_skip", of_skip.contiguous())
        self.register_buffer("bias", None if first.bias is None else first.bias.detach())
        self.rest = nn.Sequential(*rest)

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Of maps (B, low, H / 2, W / 2) and (B, high, H, W), one of (B, high, H, W)."""
        x = functional.conv_transpose2d(coarse, self.enlarged, stride=2, padding=1)
        found: Tensor = self.rest(x.add_(functional.conv2d(skip, self.of_skip, self.bias, padding=1)))
        return found


def folded(network: UNet) -> UNet:
    """A copy for inference alone, the same but for rounding, at three quarters of the cost.

    Every batch norm is inside the convolution before it, and no map is enlarged (:class:`Merged`).

    Parameters
    ----------
    network : UNet
        It stays as it is, for what is learned on top of it.
    """
    copy = deepcopy(network).eval()
    for block in (*copy.encoder, *copy.decoder):
        if not isinstance(block, nn.Sequential | nn.ModuleList):
            continue
        for index, (before, layer) in enumerate(pairwise(list(block)), start=1):
            if isinstance(before, nn.Conv2d) and isinstance(layer, nn.BatchNorm2d):
                block[index - 1], block[index] = fuse_conv_bn_eval(before, layer), nn.Identity()
    copy.decoder = nn.ModuleList(Merged(block) for block in copy.decoder if isinstance(block, Rising))
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

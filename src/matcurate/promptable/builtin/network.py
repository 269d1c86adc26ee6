"""A small convolutional U-Net with dense heads, and how its pixels are normalised."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from matcurate.config import Strict

Head = Literal["boundary", "inside", "right", "below"]
"""``boundary``: the pixel touches another object; ``inside``: it belongs to an object, not to the matrix; ``right`` and
``below``: its neighbour there belongs to another object."""


class NetworkSettings(Strict):
    """Shape of the network; it travels with the weights."""

    widths: tuple[int, ...] = Field(
        default=(16, 32, 64, 96, 128),
        min_length=2,
        max_length=6,
        description="Channels per level; H and W halve each.",
    )
    norm: Literal["batch", "group"] = "batch"
    heads: tuple[Head, ...] = Field(default=("boundary", "inside", "right", "below"), min_length=1)

    @property
    def stride(self) -> int:
        """Pixels of the image per pixel of the coarsest level; tiles begin at multiples of it."""
        return 1 << (len(self.widths) - 1)

    @property
    def reach(self) -> int:
        """How far, at most, a pixel of the input acts on the output, in pixels."""
        levels = len(self.widths)
        # Two 3 x 3 convolutions a level, down and up again, and the alignment of the coarsest pixels.
        return 2 * ((1 << levels) - 1) + 2 * ((1 << (levels - 1)) - 1) + self.stride


class Rising(nn.ModuleList):
    """Layers of the decoder that see a coarse map, enlarged, beside the encoder's map of that level."""

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Of maps (B, low, H / 2, W / 2) and (B, high, H, W), one of (B, high, H, W)."""
        x = torch.cat([functional.interpolate(coarse, scale_factor=2.0, mode="nearest"), skip], dim=1)
        for layer in self:
            x = layer(x)
        return x


class UNet(nn.Module):
    """Encoder and decoder with skips (Ronneberger et al. 2015), two 3 × 3 convolutions a level, one logit per head.

    Parameters
    ----------
    settings : NetworkSettings
        With the default, 0.93 M parameters.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.settings = settings
        widths = settings.widths
        self.encoder = nn.ModuleList(
            nn.Sequential(*_layers(before, after, settings.norm))
            for before, after in zip((1, *widths), widths, strict=False)
        )
        self.decoder = nn.ModuleList(
            Rising(_layers(low + high, high, settings.norm))
            for low, high in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.heads = nn.Conv2d(widths[0], len(settings.heads), kernel_size=1)

    @property
    def lora_targets(self) -> tuple[str, ...]:
        """Names of the modules that low-rank adapters are put on: every 3 × 3 convolution."""
        return tuple(
            name
            for name, module in self.named_modules()
            if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the heads.

        Parameters
        ----------
        images : float tensor (B, 1, H, W)
            As :func:`standardised` gives them; any H and W.

        Returns
        -------
        float tensor (B, heads, H, W)
            In the order of ``settings.heads``.
        """
        height, width = images.shape[-2:]
        stride = self.settings.stride
        x = functional.pad(images, (0, -width % stride, 0, -height % stride), mode="replicate")
        skips: list[Tensor] = []
        for level, block in enumerate(self.encoder):
            x = block(functional.max_pool2d(x, 2) if level else x)
            skips.append(x)
        skips.pop()
        for block in self.decoder:
            x = block(x, skips.pop())
        logits: Tensor = self.heads(x)
        return logits[..., :height, :width]


def standardised(images: Tensor) -> Tensor:
    """Each image (..., H, W) with zero mean and unit variance; a constant image becomes zero."""
    centred = images - images.mean(dim=(-2, -1), keepdim=True)
    deviation = centred.square().mean(dim=(-2, -1), keepdim=True).sqrt()
    return centred / torch.where(deviation > 0, deviation, 1)


def _layers(before: int, after: int, norm: Literal["batch", "group"]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers.append(nn.Conv2d(channels, after, kernel_size=3, padding=1, bias=False))
        layers.append(nn.BatchNorm2d(after) if norm == "batch" else nn.GroupNorm(min(8, after), after))
        layers.append(nn.ReLU(inplace=True))
    return layers

"""A U-Net on EfficientNet-Lite0 that maps objects, where they touch, their outlines and their depth.

References
----------
M. Tan, Q. V. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019.
O. Ronneberger, P. Fischer, T. Brox, "U-Net", MICCAI 2015.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Literal, TypeVar

import timm
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from matcurate.config import Strict

Network = TypeVar("Network", bound=nn.Module)
Output = Literal["foreground", "contact", "boundary", "distance"]
OUTPUTS: tuple[Output, ...] = ("foreground", "contact", "boundary", "distance")
"""``foreground``: object, not matrix; ``contact``: border between two touching objects; ``boundary``: outline of any
object; ``distance``: depth inside the object, 0 at its outline, 1 at its middle."""


class NetworkSettings(Strict):
    """Shape of the network, stored with its weights."""

    encoder: str = Field(default="tf_efficientnet_lite0", description="Name of the encoder in timm.")
    decoder: tuple[int, int, int, int] = Field(
        default=(128, 64, 40, 24), description="Channels of the decoder at strides 16, 8, 4 and 2."
    )
    detail: int = Field(default=16, ge=4, description="Channels at full resolution.")


class ObjectNet(nn.Module):
    """Encoder and decoder with skips, and a branch at full resolution for outlines exact to the pixel.

    It has 3.8 M parameters with the default settings.
    """

    stride = 32
    lora_targets = ("conv_pw", "conv_pwl")
    """The encoder's 1 x 1 convolutions, which low-rank adapters are put on."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.settings = settings
        encoder: Any = timm.create_model(settings.encoder, features_only=True, in_chans=1, pretrained=False)
        self.encoder: nn.Module = encoder
        self.encoder_channels: tuple[int, ...] = tuple(encoder.feature_info.channels())
        self.detail_channels = settings.detail // 2
        *skips, deepest = self.encoder_channels
        coarse = (deepest, *settings.decoder[:-1])
        self.decoder = nn.ModuleList(
            Up(below, beside, width, layers=2)
            for below, beside, width in zip(coarse, reversed(skips), settings.decoder, strict=True)
        )
        self.detail = _layer(1, self.detail_channels)
        self.last = Up(settings.decoder[-1], self.detail_channels, settings.detail, layers=1)
        self.heads = nn.Conv2d(settings.detail, len(OUTPUTS), kernel_size=1)

    def features(self, images: Tensor) -> list[Tensor]:
        """Maps of the encoder at strides 2, 4, 8, 16 and 32 for images (B, 1, H, W), continued to multiples of 32."""
        maps: list[Tensor] = self.encoder(self.padded(images))
        return maps

    def padded(self, images: Tensor) -> Tensor:
        """Images (B, 1, H, W) continued by their last rows and columns to multiples of 32."""
        height, width = images.shape[-2:]
        return functional.pad(images, (0, -width % self.stride, 0, -height % self.stride), mode="replicate")

    def decoded(self, images: Tensor) -> Tensor:
        """Map (B, ``settings.detail``, H, W) under the heads, for images (B, 1, H, W) of any size."""
        height, width = images.shape[-2:]
        padded = self.padded(images)
        *skips, x = self.encoder(padded)
        for layer, skip in zip(self.decoder, reversed(skips), strict=True):
            x = layer(x, skip)
        detailed: Tensor = self.last(x, self.detail(padded))
        return detailed[..., :height, :width]

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, 4, H, W) in the order of :data:`OUTPUTS` for standardised images (B, 1, H, W)."""
        logits: Tensor = self.heads(self.decoded(images))
        return logits


class Up(nn.Module):
    """Join a coarse map, enlarged twice, with the encoder's map of the finer level."""

    def __init__(self, coarse: int, skip: int, width: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(_layer(coarse + skip, width), *(_layer(width, width) for _ in range(layers - 1)))

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Map (B, width, H, W) of maps (B, coarse, H / 2, W / 2) and (B, skip, H, W)."""
        x: Tensor = self.layers(torch.cat([functional.interpolate(coarse, scale_factor=2.0), skip], dim=1))
        return x


def fused(network: Network) -> Network:
    """Copy of a network or of a part, in evaluation mode, with its batch norms folded into convolutions before them.

    The outputs are the same within rounding, and need less time.
    """
    copied = deepcopy(network)
    for part in copied.modules():
        convolution: tuple[str, nn.Conv2d] | None = None
        for name, child in list(part.named_children()):
            if isinstance(child, nn.Conv2d):
                convolution = name, child
            elif isinstance(child, nn.BatchNorm2d) and convolution is not None:
                setattr(part, convolution[0], fuse_conv_bn_eval(convolution[1], child))
                setattr(part, name, getattr(child, "act", nn.Identity()))  # timm's norms hold their activation
    return copied.to(memory_format=torch.channels_last)


def _layer(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )

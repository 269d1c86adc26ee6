"""The built-in network as an encoder with a decoder for n phases."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional

from matcurate.phase.model import Encoding, Levels, SeparableSegmenter
from matcurate.promptable.builtin.network import ObjectNet, fused
from matcurate.promptable.builtin.standard import SPREAD


class UNetSegmenter(SeparableSegmenter):
    """Encoder and decoder of the built-in network under a new head; its skips are those of the U-Net."""

    def __init__(self, network: ObjectNet, phases: int, generator: torch.Generator) -> None:
        super().__init__()
        self.encoder = fused(network.encoder)
        self.decoder = nn.ModuleList(deepcopy([*network.decoder, network.last])).requires_grad_(True)
        self.detail = deepcopy(network.detail).requires_grad_(True)
        width = network.settings.detail
        self.head = nn.Conv2d(width, phases, kernel_size=1)
        with torch.no_grad():
            self.head.weight.normal_(std=width**-0.5, generator=generator)
            self.head.bias.zero_()  # type: ignore[union-attr]
        self.stride = network.stride
        *skips, self.channels = network.encoder_channels
        self.skip_channels = (network.detail_channels, *skips)
        self.decoded_channels = width
        self.window = None
        self.lora_targets = network.lora_targets

    def encode(self, images: Tensor) -> Encoding:
        """Features of the coarsest level, (B, C, ⌈H / 32⌉, ⌈W / 32⌉), and the finer ones as skips."""
        height, width = images.shape[-2:]
        rows, columns = self.span((height, width))
        padded = functional.pad(images, (0, columns - width, 0, rows - height), mode="replicate")
        *skips, deepest = self.encoder(padded)
        return Encoding(deepest, (self.detail(padded), *skips), (height, width))

    def decoded(self, encoding: Encoding) -> Tensor:
        """Features (B, C, H, W) at the images' size, continued to a multiple of the stride."""
        x = encoding.features
        for block, skip in zip(self.decoder, reversed(encoding.skips), strict=True):
            x = block(x, skip)
        return x

    def classified(self, decoded: Tensor, shape: tuple[int, int]) -> Tensor:
        """Logits (B, n, H, W)."""
        logits: Tensor = self.head(decoded)[..., : shape[0], : shape[1]]
        return logits

    def levels(self, grey: Tensor) -> Levels:
        """Mean, and the grey value that the network was pre-trained to see as 1; a constant image becomes zero."""
        mean, deviation = float(grey.mean()), float(grey.std(correction=0))
        return Levels(mean, mean + (deviation or 1.0) / SPREAD)

    def span(self, shape: tuple[int, int]) -> tuple[int, int]:
        """The next multiples of the stride."""
        return shape[0] + -shape[0] % self.stride, shape[1] + -shape[1] % self.stride

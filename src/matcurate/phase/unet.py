"""The built-in network as an encoder with a decoder for n phases."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional

from matcurate.phase.model import Encoding, Levels, PartedSegmenter
from matcurate.promptable.builtin.network import UNet


class UNetSegmenter(PartedSegmenter):
    """Encoder and decoder of the built-in network under a new head; its skips are those of the U-Net.

    Parameters
    ----------
    network : UNet
        Copied.
    phases : int
        Channels of the head.
    generator : torch.Generator
        Of the head's first weights.
    """

    def __init__(self, network: UNet, phases: int, generator: torch.Generator) -> None:
        super().__init__()
        self.encoder = deepcopy(network.encoder)
        self.decoder = deepcopy(network.decoder).requires_grad_(True)
        width = network.settings.widths[0]
        self.head = nn.Conv2d(width, phases, kernel_size=1)
        with torch.no_grad():
            self.head.weight.normal_(std=width**-0.5, generator=generator)
            self.head.bias.zero_()  # type: ignore[union-attr]
        self.stride = network.settings.stride
        self.skip_channels, self.channels = network.settings.widths[:-1], network.settings.widths[-1]
        self.decoded_channels = width
        self.window = None
        inside = "encoder."
        self.lora_targets = tuple(name.removeprefix(inside) for name in network.lora_targets if name.startswith(inside))

    def encode(self, images: Tensor) -> Encoding:
        """Features of the coarsest level, (B, C, ⌈H / stride⌉, ⌈W / stride⌉), and the finer ones as skips."""
        height, width = images.shape[-2:]
        rows, columns = self.span((height, width))
        x = functional.pad(images, (0, columns - width, 0, rows - height), mode="replicate")
        found: list[Tensor] = []
        for level, block in enumerate(self.encoder.children()):
            x = block(functional.max_pool2d(x, 2) if level else x)
            found.append(x)
        return Encoding(found[-1], tuple(found[:-1]), (height, width))

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
        """Mean and mean plus deviation, as the network was pre-trained; a constant image becomes zero."""
        mean, deviation = float(grey.mean()), float(grey.std(correction=0))
        return Levels(mean, mean + (deviation or 1.0))

    def span(self, shape: tuple[int, int]) -> tuple[int, int]:
        """The next multiples of the stride."""
        return shape[0] + -shape[0] % self.stride, shape[1] + -shape[1] % self.stride

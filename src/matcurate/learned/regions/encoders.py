"""Encoders of the region segmenter: they map an image to features at strides 4 and 16."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import timm
from torch import Tensor, nn

LAST_STAGE = 4
"""Stage of EfficientNet-Lite0 that ends with its block 10; the later ones are left out."""


class EfficientNetEncoder(nn.Module):
    """EfficientNet-Lite0 up to block 10, as in the built-in network."""

    channels = (24, 112)

    def __init__(self) -> None:
        super().__init__()
        network: Any = timm.create_model(
            "tf_efficientnet_lite0", features_only=True, in_chans=1, out_indices=(1, 3), pretrained=False
        )
        del network.blocks[LAST_STAGE + 1 :]
        self.network: nn.Module = network

    def start_with(self, state: Mapping[str, Tensor]) -> None:
        """Take over the weights of the built-in network's encoder, by its names."""
        names = self.network.state_dict().keys()
        self.network.load_state_dict({name: state[name] for name in names})

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, 24, H / 4, W / 4) and (B, 112, H / 16, W / 16) of images (B, 1, H, W)."""
        fine, coarse = self.network(images)
        return fine, coarse


class XceptionEncoder(nn.Module):
    """The slim Xception of the evidential framework (section 2.3): 8 stacked layers instead of 20, no pooling.

    Of F. Chollet, "Xception: deep learning with depthwise separable convolutions", CVPR 2017: three layers of the entry
    flow, four of the middle flow and one of the exit flow.
    """

    channels = (96, 256)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_normed(1, 32, 3, stride=2), *_normed(32, 64, 3))
        self.fine = XceptionLayer(64, 96, stride=2)
        middle = [XceptionLayer(192, 192) for _ in range(4)]
        self.coarse = nn.Sequential(
            XceptionLayer(96, 160, stride=2), XceptionLayer(160, 192, stride=2), *middle, XceptionLayer(192, 256)
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, 96, H / 4, W / 4) and (B, 256, H / 16, W / 16) of images (B, 1, H, W)."""
        fine = self.fine(self.stem(images))
        return fine, self.coarse(fine)


class XceptionLayer(nn.Module):
    """Three depthwise separable convolutions beside a shortcut; the last one has the stride."""

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *separable(before, after), *separable(after, after), *separable(after, after, stride=stride)
        )
        same = before == after and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(before, after, kernel_size=1, stride=stride, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, after, H / stride, W / stride) of features (B, before, H, W)."""
        changed: Tensor = self.layers(features) + self.shortcut(features)
        return changed


def separable(before: int, after: int, stride: int = 1) -> list[nn.Module]:
    """A 3 x 3 convolution of each channel, and a 1 x 1 convolution of all, with norm and ReLU."""
    depthwise = nn.Conv2d(before, before, kernel_size=3, stride=stride, padding=1, groups=before, bias=False)
    return [depthwise, *_normed(before, after, 1)]


def _normed(before: int, after: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(before, after, kernel, stride=stride, padding=kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True)]

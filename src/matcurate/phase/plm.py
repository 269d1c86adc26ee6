"""The Phase Learning Module: an expert's phase ratio, brought into the features between encoder and decoder.

"Learning phase representations for microstructural segmentation in metallographic images through expert knowledge",
section 2.2 and figure 4. Widths that the text leaves open follow from the parameter counts of its table 6
(docs/methods/phase-learning.md).
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from matcurate.config import Strict

START = 0.5
"""Initial value of both regulators."""


class PlmSettings(Strict):
    """Widths of the Phase Learning Module."""

    hidden: int = Field(
        default=128, ge=1, description="Number of channels inside the feature extractor and the ratio encoder."
    )
    skips: int = Field(
        default=0, ge=0, description="Number of skip connections, coarsest first, that get a module of their own."
    )
    decoded: bool = Field(
        default=False, description="Whether the features before the last layer get a module of their own."
    )


class FeatureExtractor(nn.Sequential):
    """FE: features (B, C, h, w) to one map for each phase (B, n, h, w)."""

    def __init__(self, channels: int, phases: int, hidden: int) -> None:
        super().__init__(
            nn.Conv2d(channels, hidden, kernel_size=1),
            nn.GroupNorm(1, hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, phases, kernel_size=1),
        )


class RatioEncoder(nn.Sequential):
    """RE: ratio (B, n) to its encoding (B, C), a perceptron of two layers."""

    def __init__(self, phases: int, channels: int, hidden: int) -> None:
        super().__init__(nn.Linear(phases, hidden), nn.ReLU(), nn.Linear(hidden, channels))


class SpatialAwareness(nn.Module):
    """SA: a CoordConv (Liu et al. 2018) of every phase's map to C channels, summed over the phases."""

    def __init__(self, phases: int, channels: int) -> None:
        super().__init__()
        self.phases = nn.ModuleList(nn.Conv2d(3, channels, kernel_size=3, padding=1) for _ in range(phases))

    def forward(self, maps: Tensor) -> Tensor:
        """Encode maps (B, n, h, w) as (B, C, h, w)."""
        # The sum of n convolutions of one map and the coordinates is one of n maps and the coordinates.
        parts = [part for part in self.phases if isinstance(part, nn.Conv2d)]
        own = torch.cat([part.weight[:, :1] for part in parts], dim=1)
        shared = torch.stack([part.weight[:, 1:] for part in parts]).sum(dim=0)
        bias = torch.stack([part.bias for part in parts if part.bias is not None]).sum(dim=0)
        return functional.conv2d(
            torch.cat([maps, coordinates(maps)], dim=1), torch.cat([own, shared], dim=1), bias, padding=1
        )


class FeatureAggregator(nn.Module):
    """FA: gates over original and ratio-aware features, their sum, and a convolution.

    The gates' convolution has C output channels, C / 2 for either branch, and a gate opens two neighbouring channels.
    At the start the gates stand half open and the last convolution makes up for them and for γ = ½, so that what the
    decoder gets is the original features and what the ratio adds.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gates = nn.Conv2d(2 * channels, channels, kernel_size=3, padding=1)
        self.output = nn.Conv2d(channels, channels, kernel_size=1)
        self.gamma = nn.Parameter(torch.tensor(START))
        self.delta = nn.Parameter(torch.tensor(START))
        nn.init.zeros_(self.gates.weight)
        nn.init.zeros_(self.gates.bias)  # type: ignore[arg-type]
        nn.init.dirac_(self.output.weight)
        nn.init.zeros_(self.output.bias)  # type: ignore[arg-type]
        with torch.no_grad():
            self.output.weight /= 0.5 * START

    def forward(self, original: Tensor, aware: Tensor) -> Tensor:
        """Merge original and ratio-aware features, both (B, C, h, w), into (B, C, h, w)."""
        opened = torch.sigmoid(self.gates(torch.cat([original, aware], dim=1)))
        first, second = (gate.repeat_interleave(2, dim=1) for gate in opened.chunk(2, dim=1))
        merged: Tensor = self.output(self.gamma * first * original + self.delta * second * aware)
        return merged


class PhaseLearningModule(nn.Module):
    """FE, SA, RE and FA: between an encoder and its decoder; keeps the shape of the features.

    Raises ValueError for an odd number of channels or fewer than two phases.
    """

    def __init__(self, channels: int, phases: int, settings: PlmSettings | None = None) -> None:
        super().__init__()
        if channels % 2 or channels < 2 or phases < 2:
            raise ValueError(f"needs an even number of channels and two phases or more, got {channels} and {phases}")
        hidden = (settings or PlmSettings()).hidden
        self.extractor = FeatureExtractor(channels, phases, hidden)
        self.ratio_encoder = RatioEncoder(phases, channels, hidden)
        self.awareness = SpatialAwareness(phases, channels)
        self.aggregator = FeatureAggregator(channels)

    def forward(self, features: Tensor, ratios: Tensor) -> Tensor:
        """Bring ratios (B, n), with sum 1 or all zero where not given, into features (B, C, h, w); same shape."""
        aware = self.awareness(self.extractor(features)) * self.ratio_encoder(ratios)[..., None, None]
        merged: Tensor = self.aggregator(features, aware)
        return merged


def coordinates(maps: Tensor) -> Tensor:
    """Rows and columns (B, 2, h, w) of the pixels of ``maps`` (B, n, h, w), in [-1, 1]; 0 where there is only one."""
    batch, _, height, width = maps.shape
    rows, columns = (
        torch.linspace(-1, 1, count, device=maps.device, dtype=maps.dtype) if count > 1 else maps.new_zeros(1)
        for count in (height, width)
    )
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))
    return grid.expand(batch, -1, -1, -1)

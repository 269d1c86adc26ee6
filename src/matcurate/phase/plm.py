"""The Phase Learning Module: an expert's phase ratio, brought into the features between encoder and decoder.

"Learning phase representations for microstructural segmentation in metallographic images through expert knowledge",
section 2.2 and figure 4. Widths that the text leaves open follow from the parameter counts of its table 6
(docs/notes/phase-learning.md).
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from matcurate.config import Strict

START = 0.5
"""Initial value of both regulators."""
LEAST_FRACTION, LEAST_SPREAD = 1e-3, 0.3
"""Of a phase in the logarithm of a ratio; of those logarithms over the training pictures."""


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
    per_phase: bool = Field(
        default=False,
        description="Whether each phase's map is multiplied by its own encoding of the ratio, as in the paper's text; "
        "without a ratio the module then changes nothing at all.",
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


class StandardRatioEncoder(nn.Module):
    """RE without biases: ratio (B, n) to an encoding of each phase (B, n, C), exactly 0 where no ratio is given.

    Its input is the centred logarithm of the ratio, standardised by the training pictures'. The last layer starts at 0.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, phases: int, channels: int, hidden: int) -> None:
        super().__init__()
        self.hidden = nn.Parameter(torch.empty(hidden, phases))
        self.output = nn.Parameter(torch.zeros(phases * channels, hidden))
        nn.init.kaiming_uniform_(self.hidden, a=5**0.5)
        self.register_buffer("centre", torch.zeros(phases))
        self.register_buffer("spread", torch.ones(phases))

    def standardise(self, ratios: Tensor) -> None:
        """Take mean and standard deviation from the ratios (N, n) of the training pictures."""
        logs = centred_logs(ratios)
        self.centre.copy_(logs.mean(dim=0))
        self.spread.copy_(logs.std(dim=0, correction=0).clamp_min(LEAST_SPREAD))

    def forward(self, ratios: Tensor) -> Tensor:
        """Encode ratios (B, n) as (B, n, C)."""
        given = (ratios.sum(dim=1, keepdim=True) > 0).to(ratios)
        inputs = (centred_logs(ratios) - self.centre) / self.spread
        encoded = functional.linear(functional.linear(inputs, self.hidden).relu(), self.output) * given
        return encoded.reshape(len(ratios), ratios.shape[1], -1)


def centred_logs(ratios: Tensor) -> Tensor:
    """Logarithms of ratios (B, n) less their mean (Aitchison 1982), of fractions of LEAST_FRACTION or more."""
    logs = ratios.clamp_min(LEAST_FRACTION).log()
    return logs - logs.mean(dim=1, keepdim=True)


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

    def per_phase(self, maps: Tensor, encodings: Tensor) -> Tensor:
        """Σ_k CoordConv_k(m_k) · RE_k of maps (B, n, h, w) and encodings (B, n, C), as (B, C, h, w)."""
        grid = coordinates(maps)
        parts = [
            part(torch.cat([maps[:, k : k + 1], grid], dim=1)) * encodings[:, k, :, None, None]
            for k, part in enumerate(self.phases)
        ]
        return torch.stack(parts).sum(dim=0)


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


class FanOutAggregator(nn.Module):
    """FA with a gate for every channel of either branch; without ratio-aware features it changes nothing.

    The gates' convolution has two groups, each of which sees half of both inputs' channels: as many parameters as that
    of :class:`FeatureAggregator`. What the ratio adds is the difference to what the gates give without it.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gates = nn.Conv2d(2 * channels, 2 * channels, kernel_size=3, padding=1, groups=2)
        self.output = nn.Conv2d(channels, channels, kernel_size=1, bias=False)
        self.gamma = nn.Parameter(torch.tensor(START))
        self.delta = nn.Parameter(torch.tensor(START))
        nn.init.zeros_(self.gates.weight)
        nn.init.zeros_(self.gates.bias)  # type: ignore[arg-type]
        nn.init.dirac_(self.output.weight)
        with torch.no_grad():
            self.output.weight /= 0.5 * START

    def forward(self, original: Tensor, aware: Tensor) -> Tensor:
        """Merge original and ratio-aware features, both (B, C, h, w), into (B, C, h, w)."""
        first, second = self._opened(original, aware)
        without, _ = self._opened(original, torch.zeros_like(aware))
        added: Tensor = self.output(self.gamma * (first - without) * original + self.delta * second * aware)
        return original + added

    def _opened(self, original: Tensor, aware: Tensor) -> tuple[Tensor, Tensor]:
        """Gates (B, C, h, w) of both branches."""
        halves = (*original.chunk(2, dim=1), *aware.chunk(2, dim=1))
        mixed = torch.cat([halves[0], halves[2], halves[1], halves[3]], dim=1)
        first, second = torch.sigmoid(self.gates(mixed)).chunk(2, dim=1)
        return first, second


class PhaseLearningModule(nn.Module):
    """FE, SA, RE and FA: between an encoder and its decoder; keeps the shape of the features.

    Raises ValueError for an odd number of channels or fewer than two phases.
    """

    def __init__(self, channels: int, phases: int, settings: PlmSettings | None = None) -> None:
        super().__init__()
        if channels % 2 or channels < 2 or phases < 2:
            raise ValueError(f"needs an even number of channels and two phases or more, got {channels} and {phases}")
        settings = settings or PlmSettings()
        hidden, encoder = settings.hidden, StandardRatioEncoder if settings.per_phase else RatioEncoder
        self.extractor = FeatureExtractor(channels, phases, hidden)
        self.ratio_encoder = encoder(phases, channels, hidden)
        self.awareness = SpatialAwareness(phases, channels)
        self.aggregator = (FanOutAggregator if settings.per_phase else FeatureAggregator)(channels)

    def forward(self, features: Tensor, ratios: Tensor) -> Tensor:
        """Bring ratios (B, n), with sum 1 or all zero where not given, into features (B, C, h, w); same shape."""
        maps, encoding = self.extractor(features), self.ratio_encoder(ratios)
        if isinstance(self.ratio_encoder, StandardRatioEncoder):
            aware = self.awareness.per_phase(maps, encoding)
        else:
            aware = self.awareness(maps) * encoding[..., None, None]
        merged: Tensor = self.aggregator(features, aware)
        return merged

    def standardise(self, ratios: Tensor) -> None:
        """Adapt to the ratios (N, n) of the training pictures, where the form of the module needs that."""
        if isinstance(self.ratio_encoder, StandardRatioEncoder):
            self.ratio_encoder.standardise(ratios)


def coordinates(maps: Tensor) -> Tensor:
    """Rows and columns (B, 2, h, w) of the pixels of ``maps`` (B, n, h, w), in [-1, 1]; 0 where there is only one."""
    batch, _, height, width = maps.shape
    rows, columns = (
        torch.linspace(-1, 1, count, device=maps.device, dtype=maps.dtype) if count > 1 else maps.new_zeros(1)
        for count in (height, width)
    )
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))
    return grid.expand(batch, -1, -1, -1)

"""Where a synthetic micrograph is drawn: its size, device and randomness."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BLOCK = 16
"""Edge of the pixel blocks that share one list of nearest seeds."""


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """Size in pixels, device and the two sources of randomness, which start from one generator.

    ``rng`` draws parameters and positions; ``noise`` draws whole images, on ``device``.
    """

    height: int
    width: int
    rng: np.random.Generator
    noise: torch.Generator
    device: torch.device

    def __post_init__(self) -> None:
        if min(self.height, self.width) < BLOCK:
            raise ValueError(f"size must be at least {BLOCK} x {BLOCK}, got {self.height} x {self.width}")

    @classmethod
    def of(cls, size: tuple[int, int], rng: np.random.Generator, device: str = "cpu") -> Canvas:
        """Canvas of ``size`` (H, W) whose image noise is seeded from ``rng``."""
        place = torch.device(device)
        noise = torch.Generator(device=place).manual_seed(int(rng.integers(2**63)))
        return cls(size[0], size[1], rng, noise, place)

    def aside(self, purpose: int) -> Canvas:
        """Canvas with its own parameters, so that a rare disturbance changes no draw of the picture it does not hit."""
        return replace(self, rng=np.random.default_rng([self.noise.initial_seed(), purpose]))

    @property
    def unit(self) -> int:
        """Pixels that sizes of objects are shares of: the longer side, at most 512."""
        return min(max(self.height, self.width), 512)

    def pixels_at(self, points: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and columns of the pixels nearest to points (N, 2), which may lie outside."""
        held = np.clip(points, 0, (self.height - 1, self.width - 1)).astype(np.int64)
        return held[:, 0], held[:, 1]

    def uniform(self, low: float, high: float) -> float:
        """One parameter."""
        return float(self.rng.uniform(low, high))

    def chance(self, probability: float) -> bool:
        """Toss a coin."""
        return bool(self.rng.random() < probability)

    def white(self, height: int, width: int) -> Tensor:
        """White Gaussian noise (height, width), zero mean, unit variance."""
        return torch.randn(height, width, generator=self.noise, device=self.device)

    def tensor(self, values: NDArray[np.float64]) -> Tensor:
        """Float32 tensor on the device."""
        return torch.as_tensor(values.astype(np.float32), device=self.device)

    def coordinates(self) -> Tensor:
        """(row, column) of every pixel, float (2, H, W)."""
        rows = torch.arange(self.height, device=self.device, dtype=torch.float32)
        columns = torch.arange(self.width, device=self.device, dtype=torch.float32)
        return torch.stack(torch.meshgrid(rows, columns, indexing="ij"))

"""The expected intersection over union of a region with the object that a prompt is meant for."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from matcurate.promptable.builtin.regions import MEASURES

WIDTH = 48


class QualityNet(nn.Module):
    """Expected value in [0, 1] from measurements."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("deviation", torch.ones(inputs))
        self.layers = nn.Sequential(
            nn.Linear(inputs, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1)
        )

    def forward(self, measured: Tensor) -> Tensor:
        """Logits (N,) of measurements (N, D)."""
        logits: Tensor = self.layers((measured - self.mean) / self.deviation)[:, 0]
        return logits

    def rate(self, measured: NDArray[np.float32]) -> NDArray[np.float64]:
        """Expected values (N,) of measurements (N, D)."""
        with torch.inference_mode():
            rated: Tensor = self(torch.from_numpy(np.asarray(measured, dtype=np.float32))).sigmoid()
        return rated.double().numpy()


class RegionQuality(nn.Module):
    """Quality of regions as answers to a point, and to a box that fits them by some intersection over union."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.points = QualityNet(len(MEASURES))
            self.boxes = QualityNet(len(MEASURES) + 1)

"""How good a region is as the answer to a prompt, judged from its descriptors."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from matcurate.promptable.builtin.descriptors import DESCRIPTORS

WIDTH = 64
CHUNK = 65536
"""Regions judged together; bounds the memory."""


class RegionQuality(nn.Module):
    """Expected intersection over union of a region with the object that was asked for, when a prompt lies in both.

    Two hidden layers on standardised descriptors. Learned with cross-entropy on the true overlap, whose optimum is its
    mean, so what comes out needs no calibration afterwards.

    Parameters
    ----------
    more : int
        Inputs besides the descriptors: 1 for boxes, how well the region's own bounding box fits (IoU).
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, more: int = 0) -> None:
        super().__init__()
        inputs = len(DESCRIPTORS) + more
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("deviation", torch.ones(inputs))
        self.layers = nn.Sequential(
            nn.Linear(inputs, WIDTH),
            nn.ReLU(),
            nn.Linear(WIDTH, WIDTH),
            nn.ReLU(),
            nn.Linear(WIDTH, 1),
        )

    def forward(self, descriptors: Tensor) -> Tensor:
        """Logits (M,) of descriptors (M, D + more)."""
        logits: Tensor = self.layers((descriptors - self.mean) / self.deviation)
        return logits[:, 0]

    def judge(self, descriptors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Quality (M,) in [0, 1] of descriptors (M, D + more)."""
        device = self.mean.device
        with torch.inference_mode():
            parts = torch.split(torch.from_numpy(descriptors), CHUNK)
            judged = [self(part.to(device)).sigmoid().cpu() for part in parts]
        return torch.cat(judged).double().numpy() if judged else np.zeros(0)


class Judge(nn.Module):
    """Quality of regions as answers to points, and as answers to boxes."""

    def __init__(self) -> None:
        super().__init__()
        self.points = RegionQuality()
        self.boxes = RegionQuality(more=1)

"""What is expected of a region or of a seam, judged from what was measured of it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from matcurate.promptable.builtin.descriptors import DESCRIPTORS
from matcurate.promptable.builtin.joining import MEASURES

WIDTH = 64
CHUNK = 65536
"""Rows judged together; bounds the memory."""


class Estimator(nn.Module):
    """Expected value in [0, 1] of something, from measurements of it.

    Two hidden layers on standardised measurements. Learned with cross-entropy on true values, whose optimum is their
    mean, so what comes out needs no calibration afterwards.

    Parameters
    ----------
    inputs : int
        Number of measurements D.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("deviation", torch.ones(inputs))
        self.layers = nn.Sequential(
            nn.Linear(inputs, WIDTH),
            nn.ReLU(),
            nn.Linear(WIDTH, WIDTH),
            nn.ReLU(),
            nn.Linear(WIDTH, 1),
        )

    def forward(self, measured: Tensor) -> Tensor:
        """Logits (M,) of measurements (M, D)."""
        logits: Tensor = self.layers((measured - self.mean) / self.deviation)
        return logits[:, 0]

    def judge(self, measured: NDArray[np.float32]) -> NDArray[np.float64]:
        """Expected value (M,) in [0, 1] of measurements (M, D)."""
        device = self.mean.device
        with torch.inference_mode():
            parts = torch.split(torch.from_numpy(measured), CHUNK)
            judged = [self(part.to(device)).sigmoid().cpu() for part in parts]
        return torch.cat(judged).double().numpy() if judged else np.zeros(0)


class Judge(nn.Module):
    """Intersection over union of regions as answers to points and to boxes, and whether seams part two grains.

    ``points`` looks at a region's descriptors; ``boxes`` at these and at how well the region's bounding box fits the
    box (IoU); ``seams`` at what :func:`~matcurate.promptable.builtin.joining.measured` says.
    """

    def __init__(self) -> None:
        super().__init__()
        self.points = Estimator(len(DESCRIPTORS))
        self.boxes = Estimator(len(DESCRIPTORS) + 1)
        self.seams = Estimator(len(MEASURES))

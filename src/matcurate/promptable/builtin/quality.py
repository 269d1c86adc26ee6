"""What is expected of a region or of a seam, judged from what was measured of it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from matcurate.promptable.builtin.descriptors import DESCRIPTORS
from matcurate.promptable.builtin.joining import MEASURES
from matcurate.promptable.builtin.offers import COMPARED

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


class Panel(nn.Module):
    """Expected overlap of each of the regions that are offered as answers to one prompt, seen side by side.

    The best of many judged one by one looks better than it is. Here each is judged in the presence of the others: by
    its own measurements and by mean and maximum of what is seen in all (a network over sets, Zaheer et al. 2017, in
    which the order does not matter).

    Parameters
    ----------
    inputs : int
        Number of measurements D of each region.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("deviation", torch.ones(inputs))
        self.each = nn.Sequential(nn.Linear(inputs, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU())
        self.own = nn.Linear(WIDTH, WIDTH)
        self.others = nn.Linear(2 * WIDTH, WIDTH)
        self.last = nn.Sequential(nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1))

    def forward(self, measured: Tensor, there: Tensor) -> Tensor:
        """Logits (B, K) of B prompts' offers (B, K, D), of which some (B, K) are there."""
        seen = self.each((measured - self.mean) / self.deviation) * there[..., None]
        mean = seen.sum(dim=1) / there.sum(dim=1, keepdim=True).clamp(min=1)
        together = torch.cat([mean, seen.amax(dim=1)], dim=1)  # nothing seen is negative
        logits: Tensor = self.last(self.own(seen) + self.others(together)[:, None])
        return logits[..., 0]

    def judge(self, measured: NDArray[np.float32], there: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Expected overlap (B, K) in [0, 1] of offers (B, K, D); 0 for those that are not there (B, K)."""
        device = self.mean.device
        with torch.inference_mode():
            judged = self(torch.from_numpy(measured).to(device), torch.from_numpy(there).to(device)).sigmoid().cpu()
        return np.where(there, judged.double().numpy(), 0.0)


class Judge(nn.Module):
    """Intersection over union of regions as answers to points and to boxes, and whether seams part two grains.

    ``points`` looks at a region's descriptors; ``panel`` at those of all that are offered for one point, and at how the
    regions compare (:data:`~matcurate.promptable.builtin.offers.COMPARED`); ``boxes`` at the descriptors and at how
    well the region's bounding box fits the box (IoU); ``seams`` at what
    :func:`~matcurate.promptable.builtin.joining.measured` says.
    """

    def __init__(self) -> None:
        super().__init__()
        self.points = Estimator(len(DESCRIPTORS))
        self.panel = Panel(len(DESCRIPTORS) + len(COMPARED))
        self.boxes = Estimator(len(DESCRIPTORS) + 1)
        self.seams = Estimator(len(MEASURES))

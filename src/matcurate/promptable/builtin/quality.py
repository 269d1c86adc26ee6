"""What is expected of a region or of a seam, judged from what was measured of it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor, nn

from matcurate.promptable.builtin.dense import judged, linear, numbers, through
from matcurate.promptable.builtin.descriptors import DESCRIPTORS
from matcurate.promptable.builtin.joining import MEASURES
from matcurate.promptable.builtin.offers import COMPARED

WIDTH = 64


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
        mean, deviation = numbers(self.mean), numbers(self.deviation)
        return judged(lambda rows: through(self.layers, (rows - mean) / deviation)[:, 0], measured)


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
        if not measured.size:
            return np.zeros(there.shape)
        mean, deviation = numbers(self.mean), numbers(self.deviation)
        prompts, offers = there.shape
        seen = through(self.each, ((measured - mean) / deviation).reshape(prompts * offers, -1)).reshape(
            *there.shape, -1
        )
        seen *= there[..., None]
        count = np.maximum(there.sum(axis=1, keepdims=True), 1).astype(np.float32)
        together = np.concatenate([seen.sum(axis=1) / count, seen.max(axis=1)], axis=1)
        every = linear(self.own, seen.reshape(prompts * offers, -1)).reshape(*there.shape, -1)
        every += linear(self.others, together)[:, None]
        logits = through(self.last, every.reshape(prompts * offers, -1)).reshape(there.shape)
        return np.where(there, expit(logits.astype(np.float64)), 0.0)


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

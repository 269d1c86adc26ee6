"""Rounded objects painted per pixel: ellipses with a gently irregular outline."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matcurate.imaging.synth.canvas import Canvas
from matcurate.imaging.synth.cells import over_blocks

HARMONICS = (2, 3, 4, 5)


@dataclass(frozen=True, slots=True, eq=False)
class Blobs:
    """Objects, each inside the disc of its radius.

    ``centres`` (N, 2) as (row, column) and ``radii`` (N,) are in pixels, ``aspect`` (N,) is long over short axis, >= 1,
    ``angles`` (N,) are directions of the long axes in radians, ``wobble`` is the outline's relative roughness, in [0,
    0.3].
    """

    centres: NDArray[np.float64]
    radii: NDArray[np.float64]
    aspect: NDArray[np.float64]
    angles: NDArray[np.float64]
    wobble: float


def paint(canvas: Canvas, blobs: Blobs) -> tuple[Tensor, Tensor]:
    """Number of the object at every pixel (H, W), -1 outside, and the depth below its outline in pixels."""
    count = len(blobs.radii)
    if count == 0:
        outside = torch.full((canvas.height, canvas.width), -1, device=canvas.device)
        return outside, torch.full((canvas.height, canvas.width), -torch.inf, device=canvas.device)
    centres, radii = canvas.tensor(blobs.centres), canvas.tensor(blobs.radii)
    aspect, angles = canvas.tensor(blobs.aspect), canvas.tensor(blobs.angles)
    orders = np.array(HARMONICS, dtype=np.float64)
    phases = canvas.tensor(canvas.rng.uniform(0, 2 * np.pi, (count, len(orders))))
    heights = canvas.tensor(blobs.wobble * canvas.rng.random((count, len(orders))) / orders)
    largest = 1 + heights.sum(dim=1)  # keeps the object inside its disc

    def answer(at: Tensor, near: Tensor) -> tuple[Tensor, ...]:
        offset = at[:, :, None] - centres[near][:, None]
        turn = angles[near][:, None]
        along = offset[..., 0] * torch.sin(turn) + offset[..., 1] * torch.cos(turn)
        across = (offset[..., 0] * torch.cos(turn) - offset[..., 1] * torch.sin(turn)) * aspect[near][:, None]
        distance = torch.hypot(along, across)
        theta = torch.atan2(across, along)
        outline = torch.ones_like(distance)
        for column, order in enumerate(HARMONICS):
            wave = torch.cos(order * theta + phases[near][:, None, :, column])
            outline = outline + heights[near][:, None, :, column] * wave
        limit = radii[near][:, None] * outline / largest[near][:, None]
        depth, best = (limit - distance).max(dim=2)
        return torch.gather(near, 1, best), depth

    owner, depth = over_blocks(canvas.coordinates(), centres, radii**2, answer, candidates=10)
    return torch.where(depth > 0, owner, -1), depth

"""What a kind draws, before the microscope: ideal grey levels with exact masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import torch
from skimage.measure import label
from torch import Tensor

from matcurate.imaging.synth.canvas import Canvas


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A specimen without noise.

    Parameters
    ----------
    grey : float tensor (H, W)
        Ideal grey level, nominally in [0, 1].
    phases : long tensor (H, W)
        Class ids, 0 is the background.
    instances : long tensor (H, W)
        Instance ids, 0 is none.
    classes : tuple of str
        Name of every class id.
    nm_per_px : float
        Pixel size.
    edges : float tensor (H, W)
        Where secondary electrons brighten an edge, in [0, 1].
    """

    grey: Tensor
    phases: Tensor
    instances: Tensor
    classes: tuple[str, ...]
    nm_per_px: float
    edges: Tensor


class Kind(Protocol):
    """Draws one kind of microstructure."""

    classes: tuple[str, ...]
    nm_per_px: float

    def __call__(self, canvas: Canvas) -> Scene:
        """Draw a scene."""
        ...


def numbered(labels: Tensor) -> Tensor:
    """Ids 1 … n in order of first use for the ids > 0 that occur; 0 stays 0. labels and result long (H, W)."""
    values, inverse = torch.unique(labels.clamp_min(0), return_inverse=True)
    ids: Tensor = inverse if int(values[0]) == 0 else inverse + 1
    return ids


def components(mask: Tensor, smallest: int) -> Tensor:
    """4-connected components of a bool mask (H, W) with at least ``smallest`` pixels, as long ids 1 … n.

    Runs on the CPU; everything else of the generator stays on its device.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.cpu().numpy().astype(np.uint8), connectivity=4)
    large = stats[:, cv2.CC_STAT_AREA] >= smallest
    large[0] = False
    ids = np.where(large, np.cumsum(large), 0)
    return torch.as_tensor(ids[labels].astype(np.int64), device=mask.device)


def pieces(labels: Tensor, smallest: int) -> Tensor:
    """4-connected pieces of equal label > 0 with at least ``smallest`` pixels, as long ids 1 … n; labels long (H, W).

    Unlike :func:`components`, pieces of different labels stay apart where they touch. Runs on the CPU.
    """
    found = label(labels.clamp_min(0).cpu().numpy(), background=0, connectivity=1)
    large = np.bincount(found.ravel()) >= smallest
    large[0] = False
    ids = np.where(large, np.cumsum(large), 0)
    return torch.as_tensor(ids[found].astype(np.int64), device=labels.device)

"""What tests of the built-in network and of its pre-training share: a small network, and maps written by hand."""

import numpy as np
import torch

from matcurate.promptable.builtin.maps import ObjectMaps
from matcurate.promptable.builtin.network import NetworkSettings, ObjectNet

TINY = NetworkSettings(encoder="test_efficientnet", decoder=(16, 12, 8, 8), detail=8)
"""0.2 M parameters."""
SHAPE = (48, 80)


def tiny_network(seed: int = 0) -> ObjectNet:
    """Weights drawn from a seed, in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ObjectNet(TINY).eval()


def two_squares(weak: float = 0.2, strong: float = 0.9) -> tuple[ObjectMaps, np.ndarray, np.ndarray]:
    """Maps (48, 80) of two squares of 24 pixels side by side, and their masks.

    Their common border has a boundary of ``weak``, their outlines of ``strong``; both are two pixels wide.
    """
    left, right = np.zeros((2, *SHAPE), dtype=bool)
    left[12:36, 16:40] = right[12:36, 40:64] = True
    outer = np.zeros(SHAPE, dtype=bool)
    outer[11:37, 15:65] = True
    outer[13:35, 17:63] = False
    boundary = np.where(outer, strong, 0.0)
    boundary[13:35, 39:41] = weak
    none = np.zeros(SHAPE, dtype=np.float32)
    both = (left | right).astype(np.float32)
    return ObjectMaps(both, none, boundary.astype(np.float32), 0.5 * both), left, right


def iou(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two masks."""
    return float(np.count_nonzero(one & other) / np.count_nonzero(one | other))

"""A built-in network of 0.2 M parameters with weights drawn from a seed, for tests of what stands on one."""

from __future__ import annotations

import torch

from matcurate.promptable.builtin.network import NetworkSettings, ObjectNet
from matcurate.promptable.builtin.predictor import BuiltinBackbone
from matcurate.promptable.builtin.quality import RegionQuality
from matcurate.promptable.builtin.standard import SPREAD
from matcurate.promptable.builtin.weights import Weights

SMALL = NetworkSettings(encoder="test_efficientnet", decoder=(16, 12, 8, 8), detail=8)
"""Encoder maps of 16, 24, 32, 48 and 64 channels at strides 2 to 32; 4 channels of detail at full resolution."""


def small_network(seed: int = 0) -> ObjectNet:
    """In evaluation mode, normalised on noise, without which the coarse levels would be silent."""
    torch.manual_seed(seed)
    network = ObjectNet(SMALL).train()
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = 1.0
    with torch.inference_mode():
        network(SPREAD * torch.randn(4, 1, 64, 96))
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = 0.1
    return network.eval()


def small_backbone(seed: int = 0) -> BuiltinBackbone:
    """On :func:`small_network`; what rates its regions is drawn by the seed too."""
    return BuiltinBackbone(Weights(small_network(seed), RegionQuality().eval(), "a" * 64, {}))

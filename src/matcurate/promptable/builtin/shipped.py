"""The weights that come with the package."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import torch

from matcurate.errors import CheckpointError
from matcurate.promptable.builtin.predictor import BuiltinBackbone
from matcurate.promptable.builtin.weights import load_weights
from matcurate.promptable.devices import resolve_device

SHIPPED = Path(__file__).with_name("weights.safetensors")
SHA256 = "4cfcd3c05a68782c0cd4c879222e1a58af32c473ae91401ddd89b4e09fa01bbb"
"""Of :data:`SHIPPED`; docs/methods/builtin.md is its model card."""


@cache
def shipped(device: str | None = None, path: Path = SHIPPED) -> BuiltinBackbone:
    """Backbone with the package's own weights, read and checked once per process and device.

    ``device`` None takes a GPU when there is one. Raises CheckpointError when the file is missing or is not the one
    that was shipped, ConfigError when the device does not exist.
    """
    weights = load_weights(path)
    if weights.digest != SHA256:
        raise CheckpointError(f"{path}: not the weights that this version was shipped with; install the package again")
    network = weights.network.to(resolve_device(device)).to(memory_format=torch.channels_last)
    return BuiltinBackbone(replace(weights, network=network))

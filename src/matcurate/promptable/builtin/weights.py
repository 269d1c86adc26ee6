"""Weights of the built-in network: one safetensors file in half precision, with its settings and its card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from matcurate.errors import CheckpointError
from matcurate.promptable.builtin.network import NetworkSettings, ObjectNet
from matcurate.promptable.builtin.quality import RegionQuality
from matcurate.promptable.digests import sha256_of
from matcurate.tensorfile import read_header, tensors_digest, write_header

FORMAT = "matcurate-builtin-5"
NETWORK, QUALITY = "network.", "quality."


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """A network and the rating of its regions, in evaluation mode, float32, on the CPU.

    ``digest`` is the hex SHA-256 of the file, ``card`` what the training wrote about it: recipe, sources, minutes,
    scores.
    """

    network: ObjectNet
    quality: RegionQuality
    digest: str
    card: Mapping[str, str]

    @property
    def network_digest(self) -> str:
        """Hex SHA-256 over the network's tensors alone, which adapters are trained on."""
        return tensors_digest(_halved(self.network))


def save_weights(path: Path, network: ObjectNet, quality: RegionQuality, card: Mapping[str, str]) -> None:
    """Write the weights; ``path`` holds the old file or all of the new one, never a part."""
    parts = ((NETWORK, network), (QUALITY, quality))
    state = {prefix + name: value for prefix, part in parts for name, value in _halved(part).items()}
    about = {"network": network.settings.model_dump(mode="json"), "card": dict(card)}
    write_header(path, state, FORMAT, json.dumps(about, sort_keys=True))


def load_weights(path: Path) -> Weights:
    """Read what :func:`save_weights` wrote; nothing is unpickled.

    Raises CheckpointError when the file is missing, damaged, or holds something else.
    """
    remedy = "train again with 'curate pretrain', or install the package again"
    header, tensors = read_header(path, FORMAT, "weights of the built-in network", remedy)
    try:
        about = json.loads(header)
        card: Mapping[str, str] = about["card"]
        network, quality = ObjectNet(NetworkSettings.model_validate(about["network"])), RegionQuality()
        for prefix, part in ((NETWORK, network), (QUALITY, quality)):
            part.load_state_dict(_below(prefix, tensors))
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"{path}: its tensors do not fit its settings; {remedy}") from error
    network.to(memory_format=torch.channels_last)
    return Weights(network.eval(), quality.eval(), sha256_of(path), card)


def _halved(part: nn.Module) -> dict[str, torch.Tensor]:
    """Tensors as they are written: in half precision."""
    return {
        name: (value.half() if value.is_floating_point() else value).detach().cpu().contiguous()
        for name, value in part.state_dict().items()
    }


def _below(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors of one part, in single precision."""
    return {
        name.removeprefix(prefix): value.float() if value.is_floating_point() else value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }

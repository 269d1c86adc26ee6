"""Weights of the built-in network as one safetensors file, float16, with the settings and the card inside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from matcurate.errors import CheckpointError
from matcurate.imaging.files import replace_file
from matcurate.promptable.builtin.network import NetworkSettings, UNet
from matcurate.promptable.digests import sha256_of

FORMAT = "matcurate-builtin-1"


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """A network as read from its file.

    Parameters
    ----------
    network : UNet
        In evaluation mode, float32, on the CPU.
    digest : str
        Hex SHA-256 of the file.
    card : mapping of str to str
        What the training said about it: recipe, commit, minutes ….
    """

    network: UNet
    digest: str
    card: Mapping[str, str]


def save_weights(path: Path, network: UNet, card: Mapping[str, str]) -> None:
    """Write a network in half precision; ``path`` holds the old file or all of the new one, never a part."""
    state = network.state_dict()
    tensors = {
        name: (value.half() if value.is_floating_point() else value).detach().cpu().contiguous()
        for name, value in state.items()
    }
    about = {"network": network.settings.model_dump(mode="json"), "card": dict(card)}
    # A single entry: safetensors writes several in any order, and the digest would differ from run to run.
    replace_file(path, save(tensors, {FORMAT: json.dumps(about, sort_keys=True)}))


def load_weights(path: Path) -> Weights:
    """Read what :func:`save_weights` wrote; nothing is unpickled.

    Raises
    ------
    CheckpointError
        When the file is missing, damaged, or holds something else.
    """
    remedy = "train again with 'curate pretrain', or install the package again"
    try:
        with safe_open(str(path), framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file; {remedy}") from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a whole safetensors file ({error}); {remedy}") from error
    if FORMAT not in metadata:
        raise CheckpointError(f"{path}: not weights of the built-in network ({FORMAT}); {remedy}")
    try:
        about = json.loads(metadata[FORMAT])
        network = UNet(NetworkSettings.model_validate(about["network"]))
        network.load_state_dict({name: _full(value) for name, value in tensors.items()})
    except (ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(f"{path}: its tensors do not fit its settings; {remedy}") from error
    return Weights(network.eval(), sha256_of(path), about["card"])


def _full(value: torch.Tensor) -> torch.Tensor:
    return value.float() if value.is_floating_point() else value

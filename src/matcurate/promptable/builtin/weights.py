"""Weights of the built-in network as one safetensors file, float16, with the settings and the card inside."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save

from matcurate.errors import CheckpointError
from matcurate.promptable.builtin.network import NetworkSettings, UNet
from matcurate.promptable.builtin.quality import Judge
from matcurate.promptable.digests import sha256_of
from matcurate.tensorfile import read_header, write_header

FORMAT = "matcurate-builtin-4"
NETWORK, JUDGE = "network.", "judge."


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """A network as read from its file.

    Parameters
    ----------
    network : UNet
        In evaluation mode, float32, on the CPU.
    judge : Judge or None
        Judges regions; None where a training has not come so far.
    digest : str
        Hex SHA-256 of the file.
    card : mapping of str to str
        What the training said about it: recipe, commit, minutes ….
    """

    network: UNet
    judge: Judge | None
    digest: str
    card: Mapping[str, str]

    @property
    def network_digest(self) -> str:
        """Hex SHA-256 over the network's tensors, whatever judges its regions."""
        return hashlib.sha256(save(_halved(self.network.state_dict()))).hexdigest()


def save_weights(path: Path, network: UNet, judge: Judge | None, card: Mapping[str, str]) -> None:
    """Write both in half precision; ``path`` holds the old file or all of the new one, never a part."""
    state = {NETWORK + name: value for name, value in network.state_dict().items()}
    if judge is not None:
        state.update({JUDGE + name: value for name, value in judge.state_dict().items()})
    about = {"network": network.settings.model_dump(mode="json"), "card": dict(card)}
    write_header(path, _halved(state), FORMAT, json.dumps(about, sort_keys=True))


def load_weights(path: Path) -> Weights:
    """Read what :func:`save_weights` wrote; nothing is unpickled.

    Raises
    ------
    CheckpointError
        When the file is missing, damaged, or holds something else.
    """
    remedy = "train again with 'curate pretrain', or install the package again"
    header, tensors = read_header(path, FORMAT, "weights of the built-in network", remedy)
    try:
        about = json.loads(header)
        network = UNet(NetworkSettings.model_validate(about["network"]))
        network.load_state_dict(_below(NETWORK, tensors))
        learned = _below(JUDGE, tensors)
        judge = Judge() if learned else None
        if judge is not None:
            judge.load_state_dict(learned)
            judge.eval()
    except (ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(f"{path}: its tensors do not fit its settings; {remedy}") from error
    return Weights(network.eval(), judge, sha256_of(path), about["card"])


def _halved(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors as they are written: in half precision."""
    return {
        name: (value.half() if value.is_floating_point() else value).detach().cpu().contiguous()
        for name, value in state.items()
    }


def _below(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors of one part, in single precision."""
    return {
        name.removeprefix(prefix): value.float() if value.is_floating_point() else value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }

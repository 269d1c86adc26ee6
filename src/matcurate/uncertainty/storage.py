"""One file for one trained head or network: its tensors as safetensors, and in the header what it fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor

from matcurate.config import NetworkName
from matcurate.errors import CheckpointError
from matcurate.tensorfile import AGAIN, TensorCard, read_tensors, write_tensors
from matcurate.uncertainty.head import EvidentialHead, HeadSettings
from matcurate.uncertainty.network import GreyBody, NetworkOutputs, PatchNetwork, last_layer
from matcurate.uncertainty.whitening import Whitening

FORMAT = "matcurate-evidence-1"
NETWORK_FORMAT = "matcurate-patch-network-1"
SHA256 = r"^[0-9a-f]{64}$"


class HeadCard(TensorCard):
    """What a file of a head says about itself."""

    classes: tuple[str, ...] = Field(min_length=1, description="Names, in the order of the outputs.")
    embedder_sha256: str = Field(pattern=SHA256, description="Of what makes the embeddings that it was trained on.")
    crop: int = Field(ge=1, description="Edge in pixels of the crops that it was trained on.")
    settings: HeadSettings


class NetworkCard(TensorCard):
    """What a file of a network says about itself."""

    classes: tuple[str, ...] = Field(min_length=1, description="Names, in the order of the outputs.")
    network: NetworkName = Field(description="Of the architecture.")
    embedder_sha256: str = Field(pattern=SHA256, description="Of what makes grey values of crops.")
    crop: int = Field(ge=1, description="Edge in pixels of the crops that it was trained on.")
    settings: NetworkOutputs


@dataclass(frozen=True, slots=True, eq=False)
class StoredHead:
    """A head as read from its file, checked, on the CPU."""

    card: HeadCard
    head: EvidentialHead

    def fitting(self, embedder_sha256: str) -> EvidentialHead:
        """The head, for embeddings of this embedder.

        Raises
        ------
        CheckpointError
            When it was trained on embeddings of another one.
        """
        if embedder_sha256 != self.card.embedder_sha256:
            raise CheckpointError(
                f"the head was trained on embeddings {self.card.embedder_sha256[:12]}…, but these are "
                f"{embedder_sha256[:12]}…; use the backbone it was trained with, or train it again"
            )
        return self.head


def save_head(
    path: Path, head: EvidentialHead, embedder_sha256: str, crop: int, notes: Mapping[str, str] | None = None
) -> HeadCard:
    """Write a head; ``path`` holds the old file or all of the new one, never a part."""

    def card(digest: str) -> HeadCard:
        return HeadCard(
            classes=head.classes,
            embedder_sha256=embedder_sha256,
            crop=crop,
            settings=head.settings,
            tensors_sha256=digest,
            notes=dict(notes or {}),
        )

    return write_tensors(path, head.state_dict(), FORMAT, card)


def load_head(path: Path) -> StoredHead:
    """Read what :func:`save_head` wrote; nothing is unpickled.

    Raises
    ------
    CheckpointError
        When the file is missing, damaged, something else, or its tensors have another digest than it states.
    """
    card, tensors = read_tensors(path, FORMAT, HeadCard, "a head of this project")
    return StoredHead(card, _head(path, card, tensors))


def save_network(
    path: Path, network: PatchNetwork, embedder_sha256: str, crop: int, notes: Mapping[str, str] | None = None
) -> NetworkCard:
    """Write all of a network; ``path`` holds the old file or all of the new one, never a part."""

    def card(digest: str) -> NetworkCard:
        return NetworkCard(
            classes=network.classes,
            embedder_sha256=embedder_sha256,
            crop=crop,
            settings=network.settings,
            network=network.body.name,
            tensors_sha256=digest,
            notes=dict(notes or {}),
        )

    return write_tensors(path, network.state_dict(), NETWORK_FORMAT, card)


def load_network(path: Path) -> tuple[NetworkCard, PatchNetwork]:
    """Read what :func:`save_network` wrote, on the CPU; nothing is unpickled.

    Raises
    ------
    CheckpointError
        When the file is missing, damaged, something else, or its tensors have another digest than it states.
    """
    card, tensors = read_tensors(path, NETWORK_FORMAT, NetworkCard, "a network of this project")
    try:
        last = last_layer(tensors["last.weight"], tensors["last.bias"])
        with torch.random.fork_rng(devices=[]):
            body = GreyBody(card.network)
        network = PatchNetwork(body, card.classes, last, card.settings)
        network.load_state_dict(tensors)
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        raise _misfit(path, error) from error
    return card, network


def _head(path: Path, card: HeadCard, tensors: Mapping[str, Tensor]) -> EvidentialHead:
    try:
        whitening = Whitening(*(tensors[name].double().numpy() for name in ("centre", "projection")))
        head = EvidentialHead(card.classes, whitening, tensors["prototypes"].numpy(), card.settings)
        head.load_state_dict(dict(tensors))
    except (KeyError, ValueError, RuntimeError) as error:
        raise _misfit(path, error) from error
    return head


def _misfit(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(f"{path}: its tensors do not fit its card ({str(error).splitlines()[0]}); {AGAIN}")

"""Files of trained heads and networks: tensors as safetensors, and a card of what they fit; nothing is unpickled.

Reading raises CheckpointError as :meth:`~matcurate.tensorfile.TensorFormat.read` does. Writing leaves the old file or
all of the new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from pydantic import Field

from matcurate.config import NetworkName
from matcurate.errors import CheckpointError
from matcurate.tensorfile import AGAIN, TensorCard, TensorFormat, fitting_card
from matcurate.uncertainty.head import EvidentialHead, HeadSettings
from matcurate.uncertainty.network import GreyBody, NetworkOutputs, PatchNetwork, last_layer
from matcurate.uncertainty.pixels import PixelHead, PixelSettings
from matcurate.uncertainty.whitening import Whitening

SHA256 = r"^[0-9a-f]{64}$"
Notes = Mapping[str, str]


class PatchCard(TensorCard):
    """Header of a file of a classifier of crops."""

    classes: tuple[str, ...] = Field(min_length=1, description="Names, in the order of the outputs.")
    embedder_sha256: str = Field(pattern=SHA256, description="Digest of what makes its input from crops.")
    crop: int = Field(ge=1, description="Edge length in pixels of the crops that it was trained on.")


class HeadCard(PatchCard):
    """Header of a file of a head."""

    settings: HeadSettings


class NetworkCard(PatchCard):
    """Header of a file of a network."""

    network: NetworkName = Field(description="Name of the architecture.")
    settings: NetworkOutputs


class PixelCard(TensorCard):
    """Header of a file of a pixel head."""

    classes: tuple[str, ...] = Field(min_length=2, description="Names of the phases, in the order of their ids.")
    widths: tuple[int, ...] = Field(min_length=1, description="Channels of the maps that it takes.")
    model_sha256: str = Field(pattern=SHA256, description="Digest of the tensors of the model that it belongs to.")
    settings: PixelSettings


HEAD = TensorFormat("matcurate-evidence-1", HeadCard, "a head of this project")
NETWORK = TensorFormat("matcurate-patch-network-1", NetworkCard, "a network of this project")
PIXEL_HEAD = TensorFormat("matcurate-pixel-evidence-1", PixelCard, "a pixel head of this project")


def save_head(
    path: Path, head: EvidentialHead, embedder_sha256: str, crop: int, notes: Notes | None = None
) -> HeadCard:
    """Write a head on embeddings."""
    facts = {"classes": head.classes, "embedder_sha256": embedder_sha256, "crop": crop, "settings": head.settings}
    return HEAD.write(path, head.state_dict(), notes, **facts)


def load_head(path: Path) -> tuple[HeadCard, EvidentialHead]:
    """Read what :func:`save_head` wrote, on the CPU."""
    card, tensors = HEAD.read(path)
    with fitting_card(path):
        whitening = Whitening(*(tensors[name].double().numpy() for name in ("centre", "projection")))
        head = EvidentialHead(card.classes, whitening, tensors["prototypes"].numpy(), card.settings)
        head.load_state_dict(tensors)
    return card, head


def save_network(
    path: Path, network: PatchNetwork, embedder_sha256: str, crop: int, notes: Notes | None = None
) -> NetworkCard:
    """Write all of a network."""
    facts = {"classes": network.classes, "embedder_sha256": embedder_sha256, "crop": crop, "network": network.body.name}
    return NETWORK.write(path, network.state_dict(), notes, settings=network.settings, **facts)


def load_network(path: Path) -> tuple[NetworkCard, PatchNetwork]:
    """Read what :func:`save_network` wrote, on the CPU."""
    card, tensors = NETWORK.read(path)
    with fitting_card(path):
        last = last_layer(tensors["last.weight"], tensors["last.bias"])
        with torch.random.fork_rng(devices=[]):
            body = GreyBody(card.network)
        network = PatchNetwork(body, card.classes, last, card.settings)
        network.load_state_dict(tensors)
    return card, network


def save_pixel_head(path: Path, head: PixelHead, model_sha256: str, notes: Notes | None = None) -> PixelCard:
    """Write a pixel head; ``model_sha256`` is the digest of the tensors of the model that it belongs to."""
    facts = {"classes": head.classes, "widths": head.widths, "model_sha256": model_sha256, "settings": head.settings}
    return PIXEL_HEAD.write(path, head.state_dict(), notes, **facts)


def load_pixel_head(path: Path, model_sha256: str) -> PixelHead:
    """Read what :func:`save_pixel_head` wrote, on the CPU, in evaluation mode; refuse it for another model."""
    card, tensors = PIXEL_HEAD.read(path)
    if model_sha256 != card.model_sha256:
        raise CheckpointError(
            f"the pixel head belongs to the model {card.model_sha256[:12]}…, but this is {model_sha256[:12]}…; "
            f"{AGAIN} both together, or train again"
        )
    head = PixelHead(card.widths, card.classes, card.settings, torch.Generator())
    with fitting_card(path):
        head.load_state_dict(tensors)
    return head.eval()

"""One file for one trained head: its tensors as safetensors, and in the header what it fits and where it is from."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from matcurate.config import Strict, first_problem
from matcurate.errors import CheckpointError
from matcurate.uncertainty.head import EvidentialHead, HeadSettings
from matcurate.uncertainty.whitening import Whitening

FORMAT = "matcurate-evidence-1"
REMEDY = "copy or export it again"
SHA256 = r"^[0-9a-f]{64}$"


class HeadCard(Strict):
    """What a file of a head says about itself."""

    classes: tuple[str, ...] = Field(min_length=2, description="Names, in the order of the outputs.")
    embedder_sha256: str = Field(pattern=SHA256, description="Of what makes the embeddings that it was trained on.")
    crop: int = Field(ge=1, description="Edge in pixels of the crops that it was trained on.")
    settings: HeadSettings
    tensors_sha256: str = Field(pattern=SHA256, description="Over names, types, shapes and values.")
    notes: dict[str, str] = Field(default_factory=dict, description="Snapshot, seed, lab, metrics: for people.")


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
    tensors = {name: value.detach().cpu().contiguous() for name, value in head.state_dict().items()}
    card = HeadCard(
        classes=head.classes,
        embedder_sha256=embedder_sha256,
        crop=crop,
        settings=head.settings,
        tensors_sha256=_digest(tensors),
        notes=dict(notes or {}),
    )
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    partial.write_bytes(save(tensors, {FORMAT: card.model_dump_json()}))
    partial.replace(path)
    return card


def load_head(path: Path) -> StoredHead:
    """Read what :func:`save_head` wrote; nothing is unpickled.

    Raises
    ------
    CheckpointError
        When the file is missing, damaged, something else, or its tensors have another digest than it states.
    """
    try:
        with safe_open(str(path), framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file; check the path") from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a whole safetensors file ({error}); {REMEDY}") from error
    if FORMAT not in metadata:
        raise CheckpointError(f"{path}: not a head of this project ({FORMAT}); name another file")
    try:
        card = HeadCard.model_validate(json.loads(metadata[FORMAT]))
    except ValidationError as error:
        raise CheckpointError(f"{path}: its header is damaged ({first_problem(error)}); {REMEDY}") from error
    except ValueError as error:
        raise CheckpointError(f"{path}: its header is damaged ({error}); {REMEDY}") from error
    if _digest(tensors) != card.tensors_sha256:
        raise CheckpointError(f"{path}: its tensors are not those it was written with (digest differs); {REMEDY}")
    return StoredHead(card, _head(path, card, tensors))


def _head(path: Path, card: HeadCard, tensors: Mapping[str, Tensor]) -> EvidentialHead:
    try:
        whitening = Whitening(*(tensors[name].double().numpy() for name in ("centre", "projection")))
        head = EvidentialHead(card.classes, whitening, tensors["prototypes"].numpy(), card.settings)
        head.load_state_dict(dict(tensors))
    except (KeyError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{path}: its tensors do not fit its card ({reason}); {REMEDY}") from error
    return head


def _digest(tensors: Mapping[str, Tensor]) -> str:
    """Hex SHA-256 over names, types, shapes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()

"""One file for one trained pixel head: its tensors as safetensors, and in the header which model it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import Field

from matcurate.errors import CheckpointError
from matcurate.tensorfile import AGAIN, TensorCard, read_tensors, write_tensors
from matcurate.uncertainty.pixels import PixelHead, PixelSettings

FORMAT = "matcurate-pixel-evidence-1"


class PixelCard(TensorCard):
    """What a file of a pixel head says about itself."""

    classes: tuple[str, ...] = Field(min_length=2, description="Names of the phases, in the order of their ids.")
    widths: tuple[int, ...] = Field(min_length=1, description="Channels of the maps that it looks at.")
    model_sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Of the tensors of the model that it belongs to.")
    settings: PixelSettings


@dataclass(frozen=True, slots=True, eq=False)
class StoredPixelHead:
    """A head as read from its file, checked, on the CPU, in evaluation mode."""

    card: PixelCard
    head: PixelHead

    def fitting(self, model_sha256: str) -> PixelHead:
        """The head, for the model whose tensors have this digest.

        Raises
        ------
        CheckpointError
            When it was trained on another one.
        """
        if model_sha256 != self.card.model_sha256:
            raise CheckpointError(
                f"the pixel head belongs to the model {self.card.model_sha256[:12]}…, but this is "
                f"{model_sha256[:12]}…; {AGAIN} both together, or train again"
            )
        return self.head


def save_pixel_head(
    path: Path, head: PixelHead, model_sha256: str, notes: Mapping[str, str] | None = None
) -> PixelCard:
    """Write a head; ``path`` holds the old file or all of the new one, never a part."""

    def card(digest: str) -> PixelCard:
        return PixelCard(
            classes=head.classes,
            widths=head.widths,
            model_sha256=model_sha256,
            settings=head.settings,
            tensors_sha256=digest,
            notes=dict(notes or {}),
        )

    return write_tensors(path, head.state_dict(), FORMAT, card)


def load_pixel_head(path: Path) -> StoredPixelHead:
    """Read what :func:`save_pixel_head` wrote; nothing is unpickled.

    Raises
    ------
    CheckpointError
        When the file is missing, damaged, something else, or its tensors have another digest than it states.
    """
    card, tensors = read_tensors(path, FORMAT, PixelCard, "a pixel head of this project")
    head = PixelHead(card.widths, card.classes, card.settings, torch.Generator())
    try:
        head.load_state_dict(tensors)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{path}: its tensors do not fit its card ({reason}); {AGAIN}") from error
    return StoredPixelHead(card, head.eval())

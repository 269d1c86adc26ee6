"""One file for one trained adapter: its tensors as safetensors, and in the header what it fits and where it is from."""

from __future__ import annotations

import hashlib
import json
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
from matcurate.imaging.files import replace_file
from matcurate.phase.build import Base, ModelSettings, base_of, build_model
from matcurate.phase.model import PhaseModel
from matcurate.promptable.protocol import Backbone

FORMAT = "matcurate-phase-1"
REMEDY = "copy or export it again"


class AdapterCard(Strict):
    """What a file of an adapter says about itself."""

    backbone: str
    base_sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Of the weights that it was trained on.")
    phases: tuple[str, ...] = Field(min_length=2, description="Names, in the order of the ids.")
    settings: ModelSettings
    tensors_sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Over names, types, shapes and values.")
    notes: dict[str, str] = Field(default_factory=dict, description="Snapshot, seed, lab, metrics: for people.")


@dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """An adapter as read from its file, checked.

    Parameters
    ----------
    card : AdapterCard
        What it fits.
    tensors : mapping of str to tensor
        Learned state, on the CPU.
    """

    card: AdapterCard
    tensors: Mapping[str, Tensor]

    def model(self, backbone: Backbone) -> PhaseModel:
        """The trained model on a backbone, in evaluation mode.

        Raises
        ------
        CheckpointError
            When the backbone is not the one it was trained on, or the tensors do not fit the settings.
        """
        base = base_of(backbone)
        if base.sha256 != self.card.base_sha256:
            raise CheckpointError(
                f"the adapter was trained on {self.card.backbone} with sha256 {self.card.base_sha256[:12]}…, but "
                f"{base.name} has {base.sha256[:12]}…; fetch that checkpoint, or train again on this one"
            )
        model = build_model(backbone, len(self.card.phases), self.card.settings, seed=0)
        try:
            model.load_learned_state(dict(self.tensors))
        except (KeyError, ValueError) as error:
            raise CheckpointError(
                f"the adapter's tensors do not fit its settings ({error.args[0]}); {REMEDY}"
            ) from error
        return model.eval()


def save_adapter(
    path: Path,
    model: PhaseModel,
    base: Base,
    phases: tuple[str, ...],
    settings: ModelSettings,
    notes: Mapping[str, str] | None = None,
) -> AdapterCard:
    """Write adapters, module, decoder and head; ``path`` holds the old file or all of the new one, never a part.

    Raises
    ------
    ValueError
        When there are not as many names as the model has phases.
    """
    if len(phases) != model.phases:
        raise ValueError(f"{len(phases)} names for {model.phases} phases")
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.learned_state().items()}
    card = AdapterCard(
        backbone=base.name,
        base_sha256=base.sha256,
        phases=phases,
        settings=settings,
        tensors_sha256=_digest(tensors),
        notes=dict(notes or {}),
    )
    replace_file(path, save(tensors, {FORMAT: card.model_dump_json()}))
    return card


def load_adapter(path: Path) -> Adapter:
    """Read what :func:`save_adapter` wrote; nothing is unpickled.

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
        raise CheckpointError(f"{path}: not an adapter of this project ({FORMAT}); name another file")
    try:
        card = AdapterCard.model_validate(json.loads(metadata[FORMAT]))
    except ValidationError as error:
        raise CheckpointError(f"{path}: its header is damaged ({first_problem(error)}); {REMEDY}") from error
    except ValueError as error:
        raise CheckpointError(f"{path}: its header is damaged ({error}); {REMEDY}") from error
    if _digest(tensors) != card.tensors_sha256:
        raise CheckpointError(f"{path}: its tensors are not those it was written with (digest differs); {REMEDY}")
    return Adapter(card, tensors)


def _digest(tensors: Mapping[str, Tensor]) -> str:
    """Hex SHA-256 over names, types, shapes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()

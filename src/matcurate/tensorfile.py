"""Tensors in one safetensors file, with a header that says what they are. Nothing is unpickled."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from pydantic import Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from matcurate.config import Strict, first_problem
from matcurate.errors import CheckpointError
from matcurate.files import replace_file

AGAIN = "copy or export it again"


class TensorCard(Strict):
    """Header of a file of tensors."""

    tensors_sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Over names, types, shapes and values.")
    notes: dict[str, str] = Field(default_factory=dict, description="Snapshot, seed, lab, metrics: for people.")


Card = TypeVar("Card", bound=TensorCard)


def write_header(path: Path, tensors: Mapping[str, Tensor], form: str, header: str) -> None:
    """Write tensors with one entry ``form`` in the header; ``path`` holds the old file or all of the new one.

    A single entry: safetensors writes several in any order, and the file's digest would differ from run to run.
    """
    replace_file(path, save(dict(tensors), {form: header}))


def read_header(path: Path, form: str, what: str, remedy: str = AGAIN) -> tuple[str, dict[str, Tensor]]:
    """Read entry ``form`` of the header and the tensors, on the CPU.

    Raises CheckpointError when the file is missing, damaged, or has no such entry and so is not ``what`` it should be.
    """
    try:
        with safe_open(str(path), framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file; check the path, or {remedy}") from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a whole safetensors file ({error}); {remedy}") from error
    if form not in metadata:
        raise CheckpointError(f"{path}: not {what} ({form}); name another file, or {remedy}")
    return metadata[form], tensors


def header_names(path: Path) -> frozenset[str]:
    """Entries in the header of a safetensors file; none where it cannot be read."""
    try:
        with safe_open(str(path), framework="pt", device="cpu") as file:
            return frozenset(file.metadata() or {})
    except (SafetensorError, OSError):
        return frozenset()


@dataclass(frozen=True, slots=True)
class TensorFormat(Generic[Card]):
    """A kind of file: its entry ``name`` in the header, the card kept there, and ``what`` messages call it."""

    name: str
    card: type[Card]
    what: str

    def write(
        self, path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, str] | None = None, **facts: object
    ) -> Card:
        """Write tensors under a card of these facts; ``path`` holds the old file or all of the new one."""
        kept = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        card = self.card.model_validate({**facts, "notes": notes or {}, "tensors_sha256": tensors_digest(kept)})
        write_header(path, kept, self.name, card.model_dump_json())
        return card

    def read(self, path: Path) -> tuple[Card, dict[str, Tensor]]:
        """Read card and tensors, on the CPU; nothing is unpickled.

        Raises CheckpointError when the file is missing, damaged or something else, or its tensors have another digest
        than its card states.
        """
        header, tensors = read_header(path, self.name, self.what)
        try:
            card = self.card.model_validate(json.loads(header))
        except ValidationError as error:
            raise CheckpointError(f"{path}: its header is damaged ({first_problem(error)}); {AGAIN}") from error
        except ValueError as error:
            raise CheckpointError(f"{path}: its header is damaged ({error}); {AGAIN}") from error
        if tensors_digest(tensors) != card.tensors_sha256:
            raise CheckpointError(f"{path}: its tensors are not those it was written with (digest differs); {AGAIN}")
        return card, tensors


@contextmanager
def fitting_card(path: Path) -> Iterator[None]:
    """Turn torch's complaints about tensors of another shape than the card says into one CheckpointError."""
    try:
        yield
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{path}: its tensors do not fit its card ({reason}); {AGAIN}") from error


def write_checkpoint(path: Path, state: Mapping[str, object]) -> None:
    """Write the state of a training; ``path`` holds the old one or all of the new one."""
    partial = path.with_name(f".{path.name}.part")
    torch.save(dict(state), partial)
    partial.replace(path)


def read_checkpoint(path: Path, device: torch.device, remedy: str) -> dict[str, Any]:
    """Read what :func:`write_checkpoint` wrote; raises CheckpointError with the remedy when it is damaged."""
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise CheckpointError(f"{path}: damaged ({reason}); {remedy}") from error
    return state


def read_state(path: Path, what: str, remedy: str) -> dict[str, Tensor]:
    """Read the table of tensors of a checkpoint (.pth) as others publish them; code in the file is never run.

    Raises CheckpointError, which names ``what`` it should be and the remedy, when it is missing, damaged or another.
    """
    refusal = f"{path} is not {what}"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise CheckpointError(f"{refusal}: damaged, or not a file of weights; {remedy}") from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{refusal}: it does not hold a table of tensors; {remedy}")
    return {str(name): value for name, value in state.items()}


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """Hex SHA-256 over names, types, shapes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()

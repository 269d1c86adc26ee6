"""Tensors in one safetensors file, with a header that says what they are. Nothing is unpickled."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

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
    """What a file of tensors says about itself."""

    tensors_sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Over names, types, shapes and values.")
    notes: dict[str, str] = Field(default_factory=dict, description="Snapshot, seed, lab, metrics: for people.")


Card = TypeVar("Card", bound=TensorCard)


def write_header(path: Path, tensors: Mapping[str, Tensor], form: str, header: str) -> None:
    """Write tensors with one entry ``form`` in the header; ``path`` holds the old file or all of the new one.

    A single entry: safetensors writes several in any order, and the file's digest would differ from run to run.
    """
    replace_file(path, save(dict(tensors), {form: header}))


def read_header(path: Path, form: str, what: str, remedy: str = AGAIN) -> tuple[str, dict[str, Tensor]]:
    """Entry ``form`` of the header and the tensors, on the CPU.

    Raises
    ------
    CheckpointError
        When the file is missing, damaged, or has no such entry and so is not ``what`` was asked for.
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


def write_tensors(path: Path, tensors: Mapping[str, Tensor], form: str, card: Callable[[str], Card]) -> Card:
    """Write tensors under the card that ``card`` makes of their digest; returns it."""
    kept = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    made = card(tensors_digest(kept))
    write_header(path, kept, form, made.model_dump_json())
    return made


def read_tensors(path: Path, form: str, card: type[Card], what: str) -> tuple[Card, dict[str, Tensor]]:
    """Read what :func:`write_tensors` wrote.

    Raises
    ------
    CheckpointError
        When the file is missing, damaged, something else, or its tensors have another digest than its card states.
    """
    header, tensors = read_header(path, form, what)
    try:
        found = card.model_validate(json.loads(header))
    except ValidationError as error:
        raise CheckpointError(f"{path}: its header is damaged ({first_problem(error)}); {AGAIN}") from error
    except ValueError as error:
        raise CheckpointError(f"{path}: its header is damaged ({error}); {AGAIN}") from error
    if tensors_digest(tensors) != found.tensors_sha256:
        raise CheckpointError(f"{path}: its tensors are not those it was written with (digest differs); {AGAIN}")
    return found, tensors


def read_state(path: Path, what: str, remedy: str) -> dict[str, Tensor]:
    """Read the table of tensors of a checkpoint (.pth) as others publish them; code in the file is never run.

    Raises
    ------
    CheckpointError
        When the file is missing, damaged, or holds something else; ``what`` it should be and the ``remedy`` are named.
    """
    refusal = f"{path} is not {what}"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise CheckpointError(f"{refusal}: damaged, or not a file of weights; {remedy}") from error
    if not isinstance(state, Mapping) or not all(isinstance(each, Tensor) for each in state.values()):
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

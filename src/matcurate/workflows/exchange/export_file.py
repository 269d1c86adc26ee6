"""The one file that carries a model version from lab to lab: a zip of stored members, none of them pickled.

``manifest.json`` says what it is and holds the SHA-256 of the others; ``adapter.safetensors`` has what was learned
(adapters, Phase Learning Module, decoder and head), ``settings.json`` how, ``card.md`` tells it to people, and
``evidence.safetensors``, where the version has it, holds the head of evidence (since format 2). The weights of
the base do not travel: their digest does. Nothing is unpacked by the names in the file.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, ValidationError

from matcurate.config import Strict, first_problem
from matcurate.errors import CheckpointError
from matcurate.files import replace_file
from matcurate.workflows.evaluation import LINE, SHA256, Measurement

FORMAT = 2
KIND = "matcurate-model"
MANIFEST, ADAPTER, SETTINGS, CARD = "manifest.json", "adapter.safetensors", "settings.json", "card.md"
EVIDENCE = "evidence.safetensors"
LARGEST = {MANIFEST: 4 * 2**20, ADAPTER: 4 * 2**30, SETTINGS: 2**20, CARD: 4 * 2**20, EVIDENCE: 2**28}
"""Bytes of each member at most; a LoRA of rank 512 on SAM ViT-H has about 0.4 GB."""
TEXT = r"^[^\x00-\x1f\x7f-\x9f]{0,5000}$"
"""Text that a terminal shows as it is, or none."""
AGAIN = "ask for the file again"
_MOMENT = (1980, 1, 1, 0, 0, 0)
"""Of every member: the same version gives the same file."""


class Member(Strict):
    """A file within the export."""

    sha256: str = Field(pattern=SHA256)
    size: int = Field(ge=0)


class Move(Strict):
    """A move of an alias to the version, or away from it, in the lab that says so."""

    lab: str = Field(pattern=LINE)
    alias: str = Field(pattern=LINE)
    gained: bool = Field(description="Whether the version got the alias; else it lost it.")
    who: str = Field(max_length=500)
    why: str = Field(max_length=5000)
    at: AwareDatetime


class TrainingData(Strict):
    """What the version's snapshot was, as far as the exporting lab's catalog knows it."""

    micrographs: int = Field(ge=1)
    validation: int = Field(ge=0)
    specimens: int = Field(ge=0)
    nm_per_px: tuple[float, float] | None = Field(default=None, description="Least and largest, where known.")


class Manifest(Strict):
    """What an export says about itself."""

    kind: Literal["matcurate-model"] = "matcurate-model"
    format: Literal[1, 2] = 2
    matcurate: str = Field(pattern=LINE, description="Version of this software that wrote the file.")
    exported_by: str = Field(pattern=LINE, description="Lab that wrote the file.")
    lab: str = Field(pattern=LINE, description="Lab that trained the version.")
    name: str = Field(pattern=LINE, description="Of the version in that lab.")
    run_id: str = Field(pattern=LINE, description="Of its run in that lab's MLflow.")
    created_at: AwareDatetime
    backbone: str = Field(pattern=LINE)
    base_sha256: str = Field(pattern=SHA256)
    phases: tuple[Annotated[str, Field(pattern=LINE)], ...] = Field(min_length=2)
    snapshot: str = Field(pattern=SHA256)
    settings_sha256: str = Field(pattern=SHA256)
    start: str = Field(default="", pattern=TEXT, description="Where the weights began.")
    training: TrainingData | None = None
    measured: tuple[Measurement, ...] = ()
    history: tuple[Move, ...] = ()
    members: dict[str, Member] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class ExportFile:
    """An export as read, checked; ``sha256`` is that of the whole file."""

    manifest: Manifest
    members: Mapping[str, bytes]
    sha256: str


def write_export(path: Path, manifest: Manifest, members: Mapping[str, bytes]) -> str:
    """Write a file; ``path`` holds the old one or all of the new, never a part. The same content gives the same bytes.

    Returns
    -------
    str
        Hex SHA-256 of the file.

    Raises
    ------
    ValueError
        When ``members`` are not those beside the manifest.
    """
    if members.keys() | {EVIDENCE} != LARGEST.keys() - {MANIFEST}:
        raise ValueError(f"an export has {', '.join(sorted(LARGEST))}; got {', '.join(sorted(members))}")
    listed = {name: Member(sha256=_sha256(data), size=len(data)) for name, data in sorted(members.items())}
    said = manifest.model_copy(update={"members": listed}).model_dump_json(indent=2).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in {MANIFEST: said, **dict(sorted(members.items()))}.items():
            archive.writestr(zipfile.ZipInfo(name, _MOMENT), data)
    replace_file(path, buffer.getvalue())
    return _sha256(buffer.getvalue())


def read_export(path: Path) -> ExportFile:
    """Read what :func:`write_export` wrote, and check all of it.

    Raises
    ------
    CheckpointError
        When the file is missing, no export, of a newer format, damaged, or made to harm: other members, absurd sizes.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, path)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file; check the path") from None
    except zipfile.BadZipFile as error:
        raise CheckpointError(
            f"{path}: no whole export of a model version ({error}); name a file that 'curate models export' wrote, or "
            f"{AGAIN}"
        ) from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}); check the path and its rights") from error
    manifest = _manifest(members.pop(MANIFEST), path)
    for name, data in members.items():
        if name not in manifest.members or _sha256(data) != manifest.members[name].sha256:
            raise CheckpointError(f"{path}: {name} is not what the export was written with (digest differs); {AGAIN}")
    return ExportFile(manifest, members, digest)


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, bytes]:
    """Every member's bytes, none of them before all were looked at."""
    found = archive.infolist()
    names = [each.filename for each in found]
    if MANIFEST not in names:
        raise CheckpointError(
            f"{path}: a zip file, but no export of a model version; name a file that 'curate models export' wrote"
        )
    unknown = next((name for name in names if name not in LARGEST or names.count(name) > 1), None)
    if unknown is not None:
        raise CheckpointError(f"{path}: holds {unknown[:80]!r}, which no export does; do not trust it, {AGAIN}")
    missing = LARGEST.keys() - set(names) - {EVIDENCE}
    if missing:
        raise CheckpointError(f"{path}: lacks {min(missing)}; {AGAIN}")
    for each in found:
        plain = each.compress_type == zipfile.ZIP_STORED and not each.flag_bits & 0x1
        if not plain or each.file_size != each.compress_size or each.file_size > LARGEST[each.filename]:
            raise CheckpointError(
                f"{path}: {each.filename} is packed or claims {each.file_size} bytes, which no export does; do not "
                f"trust it, {AGAIN}"
            )
    if sum(each.file_size for each in found) > path.stat().st_size:
        raise CheckpointError(f"{path}: its members claim more than the file has; do not trust it, {AGAIN}")
    return {each.filename: archive.read(each) for each in found}


def _manifest(data: bytes, path: Path) -> Manifest:
    try:
        said = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: {MANIFEST} is no JSON ({error}); {AGAIN}") from error
    if not isinstance(said, dict) or said.get("kind") != KIND:
        raise CheckpointError(
            f"{path}: a zip file, but no export of a model version; name a file that 'curate models export' wrote"
        )
    number = said.get("format")
    if isinstance(number, int) and number > FORMAT:
        raise CheckpointError(
            f"{path}: written in format {number}, this version of matcurate reads up to {FORMAT}; update it"
        )
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        problem = "".join(each if each.isprintable() else "?" for each in first_problem(error))  # names are theirs
        raise CheckpointError(f"{path}: {MANIFEST} is damaged ({problem}); {AGAIN}") from error


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

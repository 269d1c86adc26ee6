"""The files of a model version: adapter, head of evidence, preset."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from matcurate.errors import CheckpointError
from matcurate.learned.evidence import EVIDENCE_FILE
from matcurate.learned.families import TrainedWeights, read_weights
from matcurate.tracking.registry import RegisteredVersion, Registry
from matcurate.uncertainty.pixels import PixelHead
from matcurate.uncertainty.storage import load_pixel_head

ADAPTER_FILE = "adapter.safetensors"
"""File of what was learned, whatever the family; its header says which."""


@dataclass(frozen=True, slots=True, eq=False)
class VersionFiles:
    """What a version learned (an adapter or a region segmenter), and its head of evidence, which it may lack."""

    adapter: TrainedWeights
    evidence: PixelHead | None


def load_files_of(registry: Registry, version: RegisteredVersion) -> VersionFiles:
    """Load the weights of a version; errors as of :func:`load_champion`."""
    with tempfile.TemporaryDirectory() as folder:
        return read_version_files(registry.download(version, Path(folder)), version.name)


def load_adapter_of(registry: Registry, version: RegisteredVersion) -> TrainedWeights:
    """Load a version's adapter; errors as of :func:`load_champion`."""
    return load_files_of(registry, version).adapter


def read_version_files(folder: Path, name: str) -> VersionFiles:
    """Read a version's files from a folder.

    Raises CheckpointError when there is no adapter, a file is damaged, or the two do not belong together.
    """
    if not (folder / ADAPTER_FILE).exists():
        raise CheckpointError(f"{name} keeps no {ADAPTER_FILE}; 'curate models rollback' or name a version that does")
    adapter = read_weights(folder / ADAPTER_FILE)
    if not (folder / EVIDENCE_FILE).exists():
        return VersionFiles(adapter, None)
    return VersionFiles(adapter, load_pixel_head(folder / EVIDENCE_FILE, adapter.card.tensors_sha256))


MODEL = "model"
"""Folder of a run with the files of its model version."""

PRESET_FILE = "preset.json"

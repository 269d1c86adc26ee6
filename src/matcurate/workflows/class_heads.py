"""Heads of microstructure classes: made of the one before, stored, and read."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from matcurate.catalog.class_records import ClassHeadRecord
from matcurate.uncertainty.head import EvidentialHead
from matcurate.uncertainty.storage import load_head, save_head
from matcurate.workflows.class_crops import CropEmbeddings
from matcurate.workflows.class_model import Shown, grow, retrain
from matcurate.workflows.workspace import Workspace

GROWN = "its output alone has learned"


@dataclass(frozen=True, slots=True, eq=False)
class MadeHead:
    """A head, how it was made, and the vacuity above which a micrograph may be of a new class."""

    head: EvidentialHead
    how: str
    threshold: float


def load_class_head(workspace: Workspace, record: ClassHeadRecord) -> EvidentialHead:
    """Read a stored head.

    Raises
    ------
    CheckpointError
        When its file is damaged.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "head.safetensors"
        path.write_bytes(workspace.objects.get(record.object_key))
        return load_head(path).head


def store_class_head(workspace: Workspace, head: EvidentialHead, embeddings: CropEmbeddings) -> str:
    """Put a head's file into the object store, under the digest of its content; returns its key."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "head.safetensors"
        save_head(path, head, embeddings.embedder.digest, workspace.settings.classes.crop)
        return workspace.objects.put(path.read_bytes(), ".safetensors")


def fits(workspace: Workspace, record: ClassHeadRecord, embeddings: CropEmbeddings) -> bool:
    """Whether a head takes the embeddings that the settings make."""
    made = (record.embedder_sha256, record.crop)
    return made == (embeddings.embedder.digest, workspace.settings.classes.crop)


def make_heads(
    workspace: Workspace,
    before: ClassHeadRecord | None,
    named: str,
    classes: Sequence[str],
    shown: Sequence[Shown],
    threshold: float,
    embeddings: CropEmbeddings,
    seed: int,
) -> list[MadeHead]:
    """The head before, grown, where it fits; then what the settings train of it. The last one is to count.

    Parameters
    ----------
    before : ClassHeadRecord, optional
        The head that counts so far.
    named : str
        The class that is new, or that more or fewer micrographs show now.
    classes : sequence of str
        All that there are now, in the order of the outputs.
    shown : sequence of Shown
        What shows them.
    threshold : float
        Of the last one; a grown head that is not the last keeps the one before, since its other weights stay, too.
    seed : int
        Of training.
    """
    chosen, rng, found = workspace.settings.classes, np.random.default_rng(seed), list[MadeHead]()
    if before is not None and fits(workspace, before, embeddings) and set(before.classes) & set(classes):
        grown = grow(load_class_head(workspace, before), named, classes, shown, rng)
        found.append(MadeHead(grown, GROWN, threshold if chosen.retraining == "off" else before.threshold))
    if chosen.retraining != "off" or not found:
        head = retrain(found[0].head if found else None, classes, shown, chosen, rng)
        found.append(MadeHead(head, f"trained {chosen.retraining}" if found else "the first", threshold))
    return found

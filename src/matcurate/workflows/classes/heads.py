"""Heads of microstructure classes: made of the one before, stored, and read."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from matcurate.catalog.class_records import ClassHeadRecord
from matcurate.config import Settings
from matcurate.errors import ConfigError
from matcurate.learned.class_model import ON_EMBEDDINGS, Shown, grow, retrain
from matcurate.learned.class_networks import network_learner
from matcurate.promptable.devices import resolve_device
from matcurate.uncertainty.head import EvidentialHead
from matcurate.uncertainty.learners import PatchLearner
from matcurate.uncertainty.network import PatchNetwork
from matcurate.uncertainty.patch_model import PatchModel
from matcurate.uncertainty.storage import load_head, load_network, save_head, save_network
from matcurate.workflows.classes.crops import CropEmbeddings
from matcurate.workflows.home import Workspace

GROWN = "its output alone has learned"
EMBEDDING = "embedding"
"""What the catalog calls a head on embeddings; a network goes by its name."""


@dataclass(frozen=True, slots=True, eq=False)
class MadeHead:
    """A head, how it was made, and the vacuity above which a micrograph may be of a new class."""

    head: PatchModel
    how: str
    threshold: float


def class_learner(settings: Settings, classes: int) -> PatchLearner:
    """What learns this many classes by the settings.

    Raises
    ------
    ConfigError
        When they are too few.
    CheckpointError
        When the weights that a network is to begin with are not at hand.
    """
    chosen = settings.classes
    if chosen.model == "head":
        return ON_EMBEDDINGS
    learner = network_learner(chosen.model, chosen.network, settings.resolved_cache_dir)
    if classes < learner.fewest:
        raise ConfigError(
            f"{chosen.model} learns what tells classes apart, and there would be one; set classes.model to 'head', and "
            f"to {chosen.model!r} when there are two"
        )
    return learner


def load_class_head(workspace: Workspace, record: ClassHeadRecord) -> PatchModel:
    """Read a stored head, or a network, which comes to the GPU where there is one.

    Raises
    ------
    CheckpointError
        When its file is damaged.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "head.safetensors"
        path.write_bytes(workspace.objects.get(record.object_key))
        if record.model == EMBEDDING:
            return load_head(path).head
        return load_network(path)[1].to(resolve_device(None))


def store_class_head(workspace: Workspace, head: PatchModel, embeddings: CropEmbeddings) -> str:
    """Put a head's file into the object store, under the digest of its content; returns its key."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "head.safetensors"
        made_of = embeddings.embedder.digest, workspace.settings.classes.crop
        if isinstance(head, PatchNetwork):
            save_network(path, head, *made_of)
        elif isinstance(head, EvidentialHead):
            save_head(path, head, *made_of)
        else:
            raise TypeError(f"no file is known for a {type(head).__name__}")
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
    learner: PatchLearner,
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
    learner : PatchLearner
        Of the settings.
    seed : int
        Of training.
    """
    chosen, rng, found = workspace.settings.classes, np.random.default_rng(seed), list[MadeHead]()
    if before is not None and fits(workspace, before, embeddings) and set(before.classes) & set(classes):
        grown = grow(load_class_head(workspace, before), named, classes, shown, rng, learner)
        found.append(MadeHead(grown, GROWN, threshold if chosen.retraining == "off" else before.threshold))
    if chosen.retraining != "off" or not found:
        head = retrain(found[0].head if found else None, classes, shown, chosen, rng, learner)
        found.append(MadeHead(head, f"trained {chosen.retraining}" if found else "the first", threshold))
    return found

"""Training of a phase model on a snapshot: where its weights begin, and how it resumes."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from matcurate.catalog import Part, SnapshotRecord
from matcurate.config import load_preset
from matcurate.learned.evidence import fit_evidence
from matcurate.learned.families import FAMILIES, ModelFamily, Preset, TrainedWeights
from matcurate.phase.area_prior import AreaStatistics, measure_areas
from matcurate.phase.build import Base, base_of
from matcurate.phase.model import SegmentationModel
from matcurate.phase.samples import Picture, picture
from matcurate.phase.trainer import CHECKPOINT, StepReport, TrainReport, train
from matcurate.promptable.protocol import Backbone
from matcurate.tensorfile import tensors_digest
from matcurate.tracking.registry import CHAMPION, Origin, RegisteredVersion, Registry
from matcurate.types import Progress
from matcurate.uncertainty.pixels import PixelHead
from matcurate.workflows.home import Workspace, backbone_of
from matcurate.workflows.snapshots import snapshot_samples
from matcurate.workflows.versions import load_files_of


@dataclass(frozen=True, slots=True, eq=False)
class Champion:
    """The version that serves, with what it learned."""

    version: RegisteredVersion
    adapter: TrainedWeights
    evidence: PixelHead | None


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Plan of a training: what, on what, from which weights.

    ``start`` says in words where the weights begin; ``warm`` holds the weights they begin with, None from scratch.
    """

    family: ModelFamily[Any, Any]
    preset: Preset
    backbone: Backbone
    base: Base
    phases: tuple[str, ...]
    seed: int
    warm: Mapping[str, Tensor] | None
    start: str

    def origin(self, snapshot: SnapshotRecord, lab: str) -> Origin:
        """Return what a version trained by this plan is made from."""
        return Origin(snapshot.digest, self.base.name, self.base.sha256, self.settings_sha256, lab)

    @property
    def settings_sha256(self) -> str:
        """Hex SHA-256 over the preset, the phases, the seed and the weights at the start."""
        tensors = None if self.warm is None else tensors_digest(self.warm)
        facts = [self.preset.model_dump(mode="json"), self.base.sha256, self.phases, self.seed, tensors]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A trained model, its head of evidence, how far its areas are off, and how the training ended."""

    model: SegmentationModel
    evidence: PixelHead
    areas: AreaStatistics
    report: TrainReport


def load_champion(registry: Registry) -> Champion | None:
    """The project's champion with its adapter; None where there is none yet.

    Raises CheckpointError when its files hold no adapter, or a damaged one; TrackingError when MLflow does not answer.
    """
    version = registry.by_alias(CHAMPION)
    if version is None:
        return None
    files = load_files_of(registry, version)
    return Champion(version, files.adapter, files.evidence)


def make_plan(workspace: Workspace, champion: Champion | None, seed: int) -> Plan:
    """Read the settings, and decide where the weights begin.

    Raises ConfigError for an unknown preset or backbone, or one without weights; CheckpointError when the backbone's
    checkpoint is missing.
    """
    settings = workspace.settings.retrain
    backbone = backbone_of(workspace, settings.backbone)
    base = base_of(backbone)
    family = FAMILIES[settings.model]
    preset: Preset = load_preset(settings.preset or backbone.traits.family, family.preset, family.presets)
    phases = workspace.project().classes
    if champion is None:
        return Plan(family, preset, backbone, base, phases, seed, None, "from the base: there is no champion yet")
    weights, card = champion.adapter, champion.adapter.card
    warm = weights.start_for(phases, seed)
    others = [
        name
        for name, differs in (
            ("kind of model", weights.family != settings.model),
            ("phases", warm is None),
            ("base", card.base_sha256 != base.sha256),
            ("settings of the model", card.settings != preset.model),
        )
        if differs
    ]
    if others:
        why = f"from the base: {champion.version.name} has other {' and '.join(others)}"
        return Plan(family, preset, backbone, base, phases, seed, None, why)
    return Plan(family, preset, backbone, base, phases, seed, warm, f"from {_lineage(champion.version)}")


def _lineage(version: RegisteredVersion) -> str:
    """Name of a version, and of one that was imported its name in the lab that trained it."""
    original = version.tags.original_name
    return version.name if original is None else f"{version.name} ({original} of {version.tags.lab})"


def checkpoint_folder(workspace: Workspace, registry: Registry, plan: Plan, snapshot: SnapshotRecord) -> Path:
    """Folder of the checkpoint of a training; another snapshot, setting or start has another folder."""
    name = hashlib.sha256(f"{snapshot.digest} {plan.settings_sha256}".encode()).hexdigest()[:16]
    return training_folder(workspace, registry) / name


def training_folder(workspace: Workspace, registry: Registry) -> Path:
    """Folder of a project's trainings."""
    return workspace.settings.home / "training" / registry.model


def is_interrupted(folder: Path) -> bool:
    """Whether the folder holds a training that can be resumed."""
    return (folder / CHECKPOINT).exists()


def remove_checkpoints(workspace: Workspace, registry: Registry) -> None:
    """Forget trainings of this project that were interrupted and are superseded by one that ended."""
    for folder in training_folder(workspace, registry).iterdir():
        if folder.is_dir():
            shutil.rmtree(folder)


def train_on(
    workspace: Workspace,
    snapshot: SnapshotRecord,
    plan: Plan,
    folder: Path,
    report: Callable[[StepReport], None],
    progress: Progress,
) -> Trained:
    """Train on a snapshot's training part, stop early by its validation part, go on from the folder's checkpoint.

    Raises CatalogError when an image or a mask is missing or damaged; CheckpointError when the checkpoint is damaged;
    TrainingError when the loss is not finite.
    """
    learned, kept = (_pictures(workspace, snapshot, part) for part in (Part.TRAIN, Part.VALIDATION))
    model = plan.family.build(plan.backbone, len(plan.phases), plan.preset, plan.seed)
    folder.mkdir(parents=True, exist_ok=True)
    ended = train(
        model,
        plan.family.batches(plan.preset, model, learned),
        plan.preset.train,
        seed=plan.seed,
        validation=kept,
        start=plan.warm,
        folder=folder,
        report=report,
        progress=progress,
    )
    evidence = fit_evidence(model, learned, plan.phases, plan.seed, progress=progress)
    return Trained(model, evidence, measure_areas(model, learned, kept), ended)


def _pictures(workspace: Workspace, snapshot: SnapshotRecord, part: Part) -> list[Picture]:
    samples = snapshot_samples(workspace, snapshot, part)
    return [picture(sample.name, sample.pixels, sample.phases, sample.ignored) for sample in samples]

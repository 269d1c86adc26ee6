"""Labs: homes with a project, a golden set and versions that need no training, each in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import yaml

from matcurate.config import load_settings, save_settings
from matcurate.learned.evidence import EVIDENCE_FILE
from matcurate.phase.build import Base, ModelSettings, PhaseSettings, base_of, build_model
from matcurate.phase.lora import LoraSettings
from matcurate.phase.storage import save_adapter
from matcurate.promptable.registry import load_backbone
from matcurate.tracking.registry import Origin, RegisteredVersion
from matcurate.tracking.runs import RunReport, live_run
from matcurate.tracking.version_tags import NO_TAGS, VersionTags
from matcurate.uncertainty.pixels import PixelHead, PixelSettings
from matcurate.uncertainty.storage import save_pixel_head
from matcurate.workflows.home import Workspace, initialise, load_original, open_workspace
from matcurate.workflows.versions import open_registry
from tests.unit.learning_samples import add_disc, correct

TINY = ModelSettings(lora=LoraSettings(rank=2), plm=None)
TRAIN = {"steps": 16, "learning_rate": 0.003, "warmup": 2, "validate_every": 8, "sampling": {"crop": 64, "batch": 2}}


def make_lab(
    folder: Path, lab: str, store: str, *, golden: int = 0, phases: tuple[str, ...] = ("precipitate",)
) -> Workspace:
    """Home of a lab whose golden set has so many micrographs of discs.

    MLflow takes seconds to make a store: labs have a project of their own name in one.
    """
    initialise(load_settings(folder), lab, phases, "phases")
    preset = folder / "tiny.yaml"
    preset.write_text(yaml.safe_dump({"name": "tiny", "model": {"lora": {"rank": 2}, "plm": None}, "train": TRAIN}))
    retrain = {"min_corrections": 2, "new_corrections": 2, "preset": str(preset)}
    save_settings(folder, {"lab": lab, "retrain": retrain, "tracking_uri": store})
    made = open_workspace(load_settings(folder))
    for index in range(golden):
        teach_disc(made, folder / "in", specimen=f"{lab} golden {index}", golden=True)
    return made


def teach_disc(workspace: Workspace, folder: Path, **provenance: object) -> None:
    """A micrograph of a disc with the expert's mask of it."""
    micrograph = add_disc(workspace, folder, **provenance)  # type: ignore[arg-type]
    correct(workspace, micrograph, (load_original(workspace, micrograph).pixels > 100).astype(np.uint8))


def add_version(
    workspace: Workspace,
    folder: Path,
    seed: int = 0,
    tags: VersionTags = NO_TAGS,
    snapshot: str = "a" * 64,
    evidence: bool = False,
    base: Base | None = None,
) -> RegisteredVersion:
    """A version with an untrained model, registered as 'curate retrain' does; with an untrained head of evidence.

    ``base`` is what its adapter says that it was trained on, in place of the built-in network of this version.
    """
    registry = open_registry(workspace)
    backbone = load_backbone("builtin", workspace.settings.resolved_cache_dir)
    base = base or base_of(backbone)
    phases = ("matrix", *workspace.project().phases)
    files = folder / f"version{seed}"
    files.mkdir(parents=True)
    model = build_model(backbone, len(phases), TINY, seed)
    card = save_adapter(files / "adapter.safetensors", model, base, phases, TINY)
    if evidence:
        head = PixelHead(
            (*model.segmenter.skip_channels, model.segmenter.channels, model.segmenter.decoded_channels),
            phases,
            PixelSettings(hidden=4),
            torch.Generator().manual_seed(seed),
        )
        save_pixel_head(files / EVIDENCE_FILE, head, card.tensors_sha256)
    (files / "preset.json").write_text(PhaseSettings(name="tiny", model=TINY).model_dump_json(indent=2))
    with live_run(registry.uri, workspace.project().name, RunReport("retrain")) as live:
        live.files(files, "model")
    origin = Origin(snapshot, base.name, base.sha256, "c" * 64, workspace.settings.lab)
    return registry.version(registry.register(live.id, "model", origin, tags))

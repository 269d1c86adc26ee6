"""A model version into one file, for other labs: what was learned, how, by whom, and what it scored where."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from matcurate import __version__
from matcurate.catalog import Part, list_snapshots, snapshot_items
from matcurate.config import first_problem
from matcurate.errors import CatalogError, CheckpointError
from matcurate.learned.evidence import EVIDENCE_FILE
from matcurate.learned.families import FAMILIES, TrainedWeights
from matcurate.tracking.registry import AliasMove, RegisteredVersion, Registry
from matcurate.workflows.evaluation.measurements import measurements
from matcurate.workflows.exchange.export_file import (
    ADAPTER,
    CARD,
    EVIDENCE,
    SETTINGS,
    Manifest,
    Move,
    TrainingData,
    write_export,
)
from matcurate.workflows.exchange.model_card import model_card
from matcurate.workflows.home import Workspace
from matcurate.workflows.versions import ADAPTER_FILE, PRESET_FILE, find_version, full_history, read_version_files

ORIGIN_FILE = "origin.json"
"""Manifest of an imported version, among its files: what it brings along when it is exported again."""


@dataclass(frozen=True, slots=True)
class ExportReport:
    """A file that was written; ``sha256`` is what the other lab can compare."""

    path: Path
    version: str
    bytes: int
    sha256: str


def export_model(
    workspace: Workspace, registry: Registry, wanted: str, out: Path, *, force: bool = False
) -> ExportReport:
    """Write a version, by number, name or alias, into one file; ``force`` replaces a file that is there.

    Raises CatalogError when there is no such version, or the file cannot be written; CheckpointError when the version
    keeps no adapter, or a damaged one.
    """
    if out.is_dir() or not out.parent.is_dir():
        raise CatalogError(f"{out}: not a file in a folder that exists; name another")
    if out.exists() and not force:
        raise CatalogError(f"{out} is there already; name another file, or replace it with --force")
    version = find_version(registry, wanted)
    with tempfile.TemporaryDirectory() as name:
        files = registry.download(version, Path(name))
        if not (files / ADAPTER_FILE).exists() or not (files / PRESET_FILE).exists():
            raise CheckpointError(f"{version.name} keeps no {ADAPTER_FILE} and {PRESET_FILE}; name a version that does")
        adapter = read_version_files(files, version.name).adapter
        members = {
            member: (files / name).read_bytes()
            for member, name in ((ADAPTER, ADAPTER_FILE), (SETTINGS, PRESET_FILE), (EVIDENCE, EVIDENCE_FILE))
            if (files / name).exists()
        }
        before = files / ORIGIN_FILE
        origin = Manifest.model_validate_json(before.read_bytes()) if before.exists() else None
    try:
        manifest = _manifest(workspace, registry, version, adapter, origin)
    except ValidationError as error:
        raise CatalogError(
            f"{version.name} cannot be described for others ({first_problem(error)}); correct its tags in MLflow"
        ) from error
    card = model_card(manifest, members[SETTINGS].decode(), FAMILIES[adapter.family].contents).encode()
    try:
        digest = write_export(out, manifest, {**members, CARD: card})
    except OSError as error:
        raise CatalogError(f"{out}: cannot be written ({error.strerror}); name another file") from error
    return ExportReport(out, version.name, out.stat().st_size, digest)


def _manifest(
    workspace: Workspace,
    registry: Registry,
    version: RegisteredVersion,
    adapter: TrainedWeights,
    origin: Manifest | None,
) -> Manifest:
    lab, tags = workspace.settings.lab, version.tags
    moves = [_move(lab, move, version) for move in full_history(workspace, registry) if _concerns(move, version)]
    measured = tuple(sorted(measurements(version).values(), key=lambda one: (one.lab, one.golden)))
    if origin is not None:
        changes = {"exported_by": lab, "measured": measured, "history": (*origin.history, *moves), "members": {}}
        return Manifest.model_validate({**origin.model_dump(), **changes, "matcurate": __version__})
    return Manifest(
        matcurate=__version__,
        exported_by=lab,
        lab=tags.lab or "",
        name=version.name,
        run_id=version.run_id,
        created_at=version.created_at,
        backbone=adapter.card.backbone,
        base_sha256=adapter.card.base_sha256,
        phases=adapter.card.phases,
        snapshot=tags.snapshot or "",
        settings_sha256=tags.settings_sha256 or "",
        start=tags.start or "",
        training=_training_data(workspace, tags.snapshot),
        measured=measured,
        history=tuple(moves),
    )


def _training_data(workspace: Workspace, digest: str | None) -> TrainingData | None:
    """Size of a snapshot in the catalog; None where it is another home's."""
    with workspace.reading() as session:
        snapshots = [
            snapshot for snapshot in list_snapshots(session, workspace.project().id) if snapshot.digest == digest
        ]
        items = snapshot_items(session, snapshots[0].id) if snapshots else []
    learned = [item for item in items if item.part is Part.TRAIN]
    if not learned:
        return None
    sizes = [item.calibration for item in learned if item.calibration is not None]
    edges = [edge for size in sizes for edge in (size.nm_per_px, size.nm_per_px_y)]
    return TrainingData(
        micrographs=len(learned),
        validation=len(items) - len(learned),
        specimens=len({(item.lab, item.specimen) for item in learned if item.specimen is not None}),
        nm_per_px=(min(edges), max(edges)) if len(sizes) == len(learned) else None,
    )


def _concerns(move: AliasMove, version: RegisteredVersion) -> bool:
    return version.version in (move.version, move.previous)


def _move(lab: str, move: AliasMove, version: RegisteredVersion) -> Move:
    gained = move.version == version.version
    return Move(lab=lab, alias=move.alias, gained=gained, who=move.who, why=move.why, at=move.at)

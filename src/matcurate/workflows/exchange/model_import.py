"""Another lab's model version into this home: checked, registered as it came, and never promoted by itself."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from matcurate.errors import CatalogError, CheckpointError, ConfigError
from matcurate.learned.evidence import EVIDENCE_FILE
from matcurate.learned.families import TrainedWeights
from matcurate.tracking.registry import Origin, RegisteredVersion, Registry
from matcurate.tracking.runs import RunReport, live_run
from matcurate.tracking.version_tags import VersionTags
from matcurate.workflows.evaluation import Measurement, as_tags
from matcurate.workflows.evaluation.measurements import measurements
from matcurate.workflows.exchange.export_file import (
    ADAPTER,
    CARD,
    EVIDENCE,
    MANIFEST,
    SETTINGS,
    ExportFile,
    Manifest,
    read_export,
)
from matcurate.workflows.exchange.model_export import ORIGIN_FILE
from matcurate.workflows.home import Workspace, backbone_of, current_user
from matcurate.workflows.snapshots import golden_set
from matcurate.workflows.versions import (
    ADAPTER_FILE,
    MODEL,
    PRESET_FILE,
    load_adapter_of,
    read_version_files,
    write_served_files,
)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """A version that came from another lab, what its file said, and the measurements that were taken over."""

    version: RegisteredVersion
    manifest: Manifest
    measured: tuple[Measurement, ...]


def import_model(workspace: Workspace, registry: Registry, path: Path) -> ImportReport:
    """Register another lab's version here. No alias moves; its numbers on other golden sets come along.

    What the file says about this lab's own golden set is left out: it is measured here. Raises CheckpointError when the
    file is missing, damaged, no export or of a newer format; when its base is not the one here, or its tensors do not
    fit it; CatalogError when the project has other phases, or the version is here already; TrackingError when MLflow
    does not answer.
    """
    export = read_export(path)
    manifest = export.manifest
    present = _known_as(registry.versions(), export)
    if present is not None:
        raise CatalogError(
            f"{path}: {manifest.name} of {manifest.lab} is {present.name} here already; 'curate models show "
            f"{present.version}' shows it, --update takes over what other labs have measured since"
        )
    adapter = _check_fit(workspace, export, path)
    measured = tuple(_of_others(workspace, manifest))
    facts = VersionTags(
        family=adapter.family,
        imported_from=manifest.exported_by,
        imported_by=current_user(),
        imported_at=datetime.now(UTC).isoformat(timespec="seconds"),
        original_name=manifest.name,
        original_run=manifest.run_id,
        adapter_sha256=manifest.members[ADAPTER].sha256,
        export_sha256=export.sha256,
        start=manifest.start,
    )
    origin = Origin(manifest.snapshot, manifest.backbone, manifest.base_sha256, manifest.settings_sha256, manifest.lab)
    report = RunReport("import", {"file": path.name}, tags=replace(facts, lab=manifest.lab).stored())
    with live_run(registry.uri, workspace.project().name, report) as live, tempfile.TemporaryDirectory() as name:
        folder = Path(name) / MODEL
        _write_files(folder, export)
        live.files(folder, MODEL)
    number = registry.register(live.id, MODEL, origin, replace(facts, measured=as_tags(measured).measured))
    return ImportReport(registry.version(number), manifest, measured)


def take_measurements(workspace: Workspace, registry: Registry, path: Path) -> ImportReport:
    """Take over what other labs have measured of a version that is here, from a newer export of it.

    Numbers that are here stay as they are. Raises CheckpointError when the file is not a whole export, or its adapter
    is not that of the version here; CatalogError when the version is not here.
    """
    export = read_export(path)
    present = _known_as(registry.versions(), export)
    if present is None:
        raise CatalogError(f"{path}: {export.manifest.name} of {export.manifest.lab} is not here; import it first")
    if load_adapter_of(registry, present).card.tensors_sha256 != _adapter(export, path).card.tensors_sha256:
        raise CheckpointError(f"{path}: its weights are not those of {present.name}; ask the lab which are right")
    here = measurements(present)
    fresh = tuple(one for one in _of_others(workspace, export.manifest) if one.golden not in here)
    registry.add_tags(present.version, as_tags(fresh))
    return ImportReport(registry.version(present.version), export.manifest, fresh)


def _known_as(versions: Sequence[RegisteredVersion], export: ExportFile) -> RegisteredVersion | None:
    """The version here that a file holds, were it made here or imported."""
    run, adapter = export.manifest.run_id, export.manifest.members[ADAPTER].sha256
    same = (
        version
        for version in versions
        if run in (version.run_id, version.tags.original_run) or adapter == version.tags.adapter_sha256
    )
    return next(same, None)


def _of_others(workspace: Workspace, manifest: Manifest) -> list[Measurement]:
    own = golden_set(workspace).digest
    return [one for one in manifest.measured if one.golden != own]


def _check_fit(workspace: Workspace, export: ExportFile, path: Path) -> TrainedWeights:
    """Check phases, base and tensors, as if it were to serve; returns the weights."""
    adapter, project = _adapter(export, path), workspace.project()
    phases = project.classes
    if adapter.card.phases != phases:
        theirs = ",".join(adapter.card.phases[1:])
        raise CatalogError(
            f"{path}: its phases are {', '.join(adapter.card.phases)}, those of project {project.name!r} are "
            f"{', '.join(phases)}, and their order counts; 'curate init --project NAME --phases {theirs!r}' makes a "
            "project that takes it"
        )
    try:
        adapter.model(backbone_of(workspace, adapter.card.backbone))
    except (CheckpointError, ConfigError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    return adapter


def _adapter(export: ExportFile, path: Path) -> TrainedWeights:
    """The adapter, and with it the head of evidence, checked."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_learned(folder, export)
        try:
            adapter = read_version_files(folder, export.manifest.name).adapter
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {str(error).replace(f'{folder}/', '')}") from error
    card, manifest = adapter.card, export.manifest
    if (card.backbone, card.base_sha256, card.phases) != (
        manifest.backbone,
        manifest.base_sha256,
        manifest.phases,
    ):
        raise CheckpointError(f"{path}: {MANIFEST} and {ADAPTER} name another base or other phases; do not trust it")
    return adapter


def _write_files(folder: Path, export: ExportFile) -> None:
    """The version's files; how to load it is never taken from elsewhere."""
    write_served_files(folder)
    _write_learned(folder, export)
    (folder / PRESET_FILE).write_bytes(export.members[SETTINGS])
    (folder / CARD).write_bytes(export.members[CARD])
    (folder / ORIGIN_FILE).write_text(export.manifest.model_dump_json(indent=2))


def _write_learned(folder: Path, export: ExportFile) -> None:
    (folder / ADAPTER_FILE).write_bytes(export.members[ADAPTER])
    if EVIDENCE in export.members:
        (folder / EVIDENCE_FILE).write_bytes(export.members[EVIDENCE])

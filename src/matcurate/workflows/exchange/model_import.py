"""Another lab's model version into this home: checked, registered as it came, and never promoted by itself."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from matcurate.errors import CatalogError, CheckpointError, ConfigError
from matcurate.learned.evidence import EVIDENCE_FILE
from matcurate.phase.storage import Adapter
from matcurate.tracking.registry import Origin, RegisteredVersion, Registry
from matcurate.tracking.runs import RunReport, live_run
from matcurate.workflows.evaluation import TAG, Measurement, as_tags
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
    """A version that came from another lab.

    Parameters
    ----------
    version : RegisteredVersion
        Here.
    manifest : Manifest
        What its file said.
    measured : tuple of Measurement
        What was taken over of other labs' golden sets.
    """

    version: RegisteredVersion
    manifest: Manifest
    measured: tuple[Measurement, ...]


def import_model(workspace: Workspace, registry: Registry, path: Path) -> ImportReport:
    """Register another lab's version here. No alias moves; its numbers on other golden sets come along.

    What the file says about this lab's own golden set is left out: it is measured here.

    Raises
    ------
    CheckpointError
        When the file is missing, damaged, no export or of a newer format; when its base is not the one here, or its
        tensors do not fit it.
    CatalogError
        When the project has other phases, or the version is here already.
    TrackingError
        When MLflow does not answer.
    """
    export = read_export(path)
    manifest = export.manifest
    known = _known_as(registry.versions(), export)
    if known is not None:
        raise CatalogError(
            f"{path}: {manifest.name} of {manifest.lab} is {known.name} here already; 'curate models show "
            f"{known.version}' shows it, --update takes over what other labs have measured since"
        )
    _check_fit(workspace, export, path)
    measured = tuple(_of_others(workspace, manifest))
    who, at = current_user(), datetime.now(UTC)
    tags = {
        "imported_from": manifest.exported_by,
        "imported_by": who,
        "imported_at": at.isoformat(timespec="seconds"),
        "original_name": manifest.name,
        "original_run": manifest.run_id,
        "adapter_sha256": manifest.members[ADAPTER].sha256,
        "export_sha256": export.sha256,
        "start": manifest.start,
        **as_tags(measured),
    }
    origin = Origin(manifest.snapshot, manifest.backbone, manifest.base_sha256, manifest.settings_sha256, manifest.lab)
    run_tags = {name: value for name, value in tags.items() if not name.startswith(TAG)}
    report = RunReport("import", {"file": path.name}, tags={**run_tags, "lab": manifest.lab})
    with live_run(registry.uri, workspace.project().name, report) as live, tempfile.TemporaryDirectory() as name:
        folder = Path(name) / MODEL
        _write_files(folder, export)
        live.files(folder, MODEL)
    number = registry.register(live.id, MODEL, origin, tags)
    return ImportReport(registry.version(number), manifest, measured)


def take_measurements(workspace: Workspace, registry: Registry, path: Path) -> ImportReport:
    """Take over what other labs have measured of a version that is here, from a newer export of it.

    Numbers that are here stay as they are.

    Raises
    ------
    CheckpointError
        When the file is not a whole export, or its adapter is not that of the version here.
    CatalogError
        When the version is not here.
    """
    export = read_export(path)
    known = _known_as(registry.versions(), export)
    if known is None:
        raise CatalogError(f"{path}: {export.manifest.name} of {export.manifest.lab} is not here; import it first")
    if load_adapter_of(registry, known).card.tensors_sha256 != _adapter(export, path).card.tensors_sha256:
        raise CheckpointError(f"{path}: its weights are not those of {known.name}; ask the lab which are right")
    here = measurements(known)
    fresh = tuple(each for each in _of_others(workspace, export.manifest) if each.golden not in here)
    registry.add_tags(known.version, as_tags(fresh))
    return ImportReport(registry.version(known.version), export.manifest, fresh)


def _known_as(versions: Sequence[RegisteredVersion], export: ExportFile) -> RegisteredVersion | None:
    """The version here that a file holds, were it made here or imported."""
    run, adapter = export.manifest.run_id, export.manifest.members[ADAPTER].sha256

    def is_it(tags: Mapping[str, str], run_id: str) -> bool:
        return run in (run_id, tags.get("original_run")) or adapter == tags.get("adapter_sha256")

    return next((each for each in versions if is_it(each.tags, each.run_id)), None)


def _of_others(workspace: Workspace, manifest: Manifest) -> list[Measurement]:
    own = golden_set(workspace).digest
    return [each for each in manifest.measured if each.golden != own]


def _check_fit(workspace: Workspace, export: ExportFile, path: Path) -> None:
    """Phases, base and tensors, as if it were to serve."""
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


def _adapter(export: ExportFile, path: Path) -> Adapter:
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

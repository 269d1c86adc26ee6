"""The forgetting matrix: model versions × golden sets of all labs.

A golden set stays in its lab; what a version scored on it is kept in the version's tags and travels with exports. Here,
versions are measured on this lab's own golden set, each once: the same version on the same set is the same number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matcurate.errors import CheckpointError, ConfigError, TrackingError
from matcurate.phase.model import SegmentationModel
from matcurate.tracking.registry import RegisteredVersion, Registry
from matcurate.types import Progress, silent
from matcurate.workflows.evaluation import Measurement, as_tags, measurement
from matcurate.workflows.evaluation.evaluate import evaluate
from matcurate.workflows.evaluation.measurements import measurements
from matcurate.workflows.home import Workspace, backbone_of
from matcurate.workflows.snapshots import GoldenSet, golden_set
from matcurate.workflows.versions import find_version, load_adapter_of


@dataclass(frozen=True, slots=True)
class GoldenColumn:
    """A golden set, whether it is the one ``here``, and the version that scored ``best`` on it."""

    lab: str
    golden: str
    images: int
    here: bool
    best: str
    best_dice: float


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version with what it scored, by digest of the golden set; ``problem``: why it could not be measured here."""

    version: RegisteredVersion
    measured: Mapping[str, Measurement]
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class ForgettingMatrix:
    """Versions (newest first) × golden sets (own first, then by lab); ``computed`` were measured just now."""

    columns: tuple[GoldenColumn, ...]
    rows: tuple[VersionRow, ...]
    computed: int

    def lost(self, row: VersionRow, column: GoldenColumn) -> float | None:
        """Dice that a version has less than the best of the project on a golden set; None where nobody measured."""
        score = row.measured.get(column.golden)
        return None if score is None else column.best_dice - score.dice


def forgetting_matrix(
    workspace: Workspace,
    registry: Registry,
    wanted: Sequence[str] = (),
    *,
    measure: bool = True,
    progress: Progress = silent,
) -> ForgettingMatrix:
    """Collect what versions, by default all, score on every known golden set.

    ``measure`` measures those not yet measured on this lab's golden set; their numbers are kept in MLflow. Raises
    CatalogError when there is no such version, or an image or mask of the golden set is missing or damaged;
    TrackingError when MLflow does not answer.
    """
    chosen = {find_version(registry, name).version for name in wanted}
    golden, registered = golden_set(workspace), registry.versions()
    versions = [version for version in registered if not chosen or version.version in chosen]
    missing = [version for version in versions if golden.items and golden.digest not in measurements(version)]
    problems = _measure(workspace, registry, missing, golden, progress) if measure else {}
    computed = len(missing) - len(problems) if measure else 0
    if computed:
        registered = registry.versions()
    measured = {version.version: measurements(version) for version in registered}
    names = {version.version: version.name for version in registered}
    rows = tuple(VersionRow(version, measured[version.version], problems.get(version.version)) for version in versions)
    digests = {digest for row in rows for digest in row.measured}
    columns = [_column(digest, golden, measured, names) for digest in digests]
    order = sorted(columns, key=lambda column: (not column.here, column.lab, column.golden))
    return ForgettingMatrix(tuple(order), rows, computed)


def _measure(
    workspace: Workspace,
    registry: Registry,
    versions: Sequence[RegisteredVersion],
    golden: GoldenSet,
    progress: Progress,
) -> dict[int, str]:
    """Measure versions and keep their numbers; returns why some could not be, by their number."""
    problems: dict[int, str] = {}
    for index, version in enumerate(versions):
        try:
            model = _model(workspace, registry, version)
        except (CheckpointError, ConfigError, TrackingError) as error:
            problems[version.version] = str(error)
            continue
        evaluation = evaluate(workspace, model, golden, progress=_part_of(progress, index, len(versions)))
        registry.add_tags(version.version, as_tags([measurement(evaluation, workspace.settings.lab)]))
    return problems


def _part_of(progress: Progress, index: int, count: int) -> Progress:
    """Report one of ``count`` evaluations as a part of all."""

    def report(done: int, total: int, note: str = "") -> None:
        progress(index * total + done, count * total, note)

    return report


def _model(workspace: Workspace, registry: Registry, version: RegisteredVersion) -> SegmentationModel:
    adapter, phases = load_adapter_of(registry, version), workspace.project().classes
    if adapter.card.phases != phases:
        raise CheckpointError(f"its phases are {', '.join(adapter.card.phases)}, the project's {', '.join(phases)}")
    return adapter.model(backbone_of(workspace, adapter.card.backbone))


def _column(
    digest: str,
    golden: GoldenSet,
    measured: Mapping[int, Mapping[str, Measurement]],
    names: Mapping[int, str],
) -> GoldenColumn:
    """The best is the newest of those that scored most."""
    scored = {number: scores[digest] for number, scores in measured.items() if digest in scores}
    best = max(scored, key=lambda number: (scored[number].dice, number))
    one = scored[best]
    return GoldenColumn(one.lab, digest, one.images, digest == golden.digest, names[best], one.dice)

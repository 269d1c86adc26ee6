"""How a project stands, and whether more labelling is worth it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np

from matcurate.acquisition.stopping import Interval, decide_stop, fraction_interval, learning_curve
from matcurate.catalog.columns import utc_now
from matcurate.catalog.corrections import list_corrections
from matcurate.catalog.learning_records import Part
from matcurate.catalog.micrographs import list_for_project
from matcurate.catalog.statistics import (
    MicrographCounts,
    count_micrographs,
    predicted_fractions,
    snapshot_sizes,
    waiting_names,
)
from matcurate.tracking.reach import state_of
from matcurate.types import Progress, silent
from matcurate.workflows.home import Workspace
from matcurate.workflows.labelling import VersionEffort, measure_effort
from matcurate.workflows.snapshots import golden_set, newest_usable


@dataclass(frozen=True, slots=True)
class VersionPoint:
    """A version on today's golden set.

    ``learned``: micrographs it learned from, None where this home does not know its snapshot. ``dice`` and
    ``fraction_error`` are None where it was not measured on this golden set. ``calibration`` is what was recorded of
    its uncertainty: "ece", "error_auroc", …
    """

    name: str
    learned: int | None
    dice: float | None
    fraction_error: float | None
    champion: bool
    calibration: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ProjectReport:
    """Everything that the page shows, and ``--json`` by these names.

    ``fractions``: area fraction of each phase over all micrographs with phases, the expert's where there is a
    correction, else the newest prediction's; empty for fewer than two. ``versions``: oldest first. ``silent``: address
    of MLflow where its server does not answer, so that no version is known. ``next_images``: micrographs of the newest
    ranking that wait for their expert, in its order. ``expected_gain``: in Dice, of another round of ``round_size``
    corrections; None where it cannot be estimated.
    """

    project: str
    lab: str
    at: datetime
    verdict: Literal["stop", "go on"]
    why: tuple[str, ...]
    counts: MicrographCounts
    fractions: Mapping[str, Interval]
    versions: tuple[VersionPoint, ...]
    silent: str | None
    effort: tuple[VersionEffort, ...]
    next_images: tuple[str, ...]
    round_size: int
    expected_gain: float | None


def project_report(workspace: Workspace, *, seed: int = 0, progress: Progress = silent) -> ProjectReport:
    """Read catalog and registry, and decide by the settings' section ``report``; ``seed`` >= 0 is the bootstrap's.

    Raises CatalogError when the project is unknown, or a mask is missing or damaged; TrackingError when MLflow's store
    answers, but with an error.
    """
    settings, project = workspace.settings.report, workspace.project()
    with workspace.reading() as session:
        counts, waiting = count_micrographs(session, project.id), waiting_names(session, project.id)
    fractions = _fractions(workspace, progress)
    rng = np.random.default_rng(seed)
    intervals = {
        name: fraction_interval(np.array([row[name] for row in fractions]), rng, settings.confidence)
        for name in (project.classes if len(fractions) > 1 else ())
    }
    mlflow = workspace.settings.resolved_tracking_uri
    state = state_of(mlflow)
    versions = _versions(workspace) if state == "there" else ()
    size = workspace.settings.rank.count
    gain = _expected_gain(versions, size)
    verdict = decide_stop(intervals, gain, size, half_width=settings.half_width, least_gain=settings.least_gain)
    return ProjectReport(
        project=project.name,
        lab=workspace.settings.lab,
        at=utc_now().replace(microsecond=0),
        verdict="stop" if verdict.stop else "go on",
        why=verdict.why,
        counts=counts,
        fractions=intervals,
        versions=versions,
        silent=mlflow if state == "silent" else None,
        effort=measure_effort(workspace).versions,
        next_images=waiting,
        round_size=size,
        expected_gain=gain,
    )


def _fractions(workspace: Workspace, progress: Progress) -> list[Mapping[str, float]]:
    """Area fraction of every class, matrix included, of each micrograph that has phases, in the order of their ids."""
    project = workspace.project()
    with workspace.reading() as session:
        predicted = predicted_fractions(session, project.id)
    matrix, *phases = project.classes
    rows: dict[int, Mapping[str, float]] = _corrected_fractions(workspace, progress)
    for micrograph_id, fractions in predicted.items():
        shares = {name: fractions.get(name, 0.0) for name in phases}
        rows[micrograph_id] = {matrix: max(0.0, 1.0 - sum(shares.values())), **shares}
    return [rows[micrograph_id] for micrograph_id in sorted(rows)]


def _corrected_fractions(workspace: Workspace, progress: Progress) -> dict[int, Mapping[str, float]]:
    """Area fraction of every class in the experts' masks, by micrograph id."""
    project = workspace.project()
    with workspace.reading() as session:
        micrographs = list_for_project(session, project.id, corrected=True)
        newest = newest_usable(list_corrections(session, project.id))
    rows: dict[int, Mapping[str, float]] = {}
    if micrographs:  # reading images takes libraries that an empty home need not import
        from matcurate.imaging.labels import decode_labels
        from matcurate.workflows.home import load_counted
        from matcurate.workflows.snapshots import exact_ratios

        for done, micrograph in enumerate(micrographs):
            progress(done, len(micrographs), micrograph.name)
            key = str(newest[micrograph.id].phases_key)
            mask = decode_labels(workspace.objects.get(key), f"mask of {micrograph.name}")
            shares = exact_ratios(mask, len(project.phases), load_counted(workspace, micrograph)[1])
            rows[micrograph.id] = dict(zip(project.classes, map(float, shares), strict=True))
    progress(len(micrographs), len(micrographs))
    return rows


def _versions(workspace: Workspace) -> tuple[VersionPoint, ...]:
    """All versions of a store that is there."""
    # MLflow takes seconds to import, which homes without a model need not pay.
    from matcurate.tracking.registry import CHAMPION
    from matcurate.workflows.evaluation.measurements import measurements
    from matcurate.workflows.versions import open_registry

    golden = golden_set(workspace).digest
    with workspace.reading() as session:
        learned = snapshot_sizes(session, workspace.project().id, Part.TRAIN)
    points = []
    for version in sorted(open_registry(workspace).versions(), key=lambda version: version.version):
        measured = measurements(version).get(golden)
        points.append(
            VersionPoint(
                name=version.name,
                learned=learned.get(version.tags.get("snapshot", "")),
                dice=None if measured is None else measured.dice,
                fraction_error=None if measured is None else measured.fraction_error,
                champion=CHAMPION in version.aliases,
                calibration=_calibration(version.tags),
            )
        )
    return tuple(points)


def _calibration(tags: Mapping[str, str]) -> dict[str, float]:
    prefix = "calibration_"
    return {name.removeprefix(prefix): float(value) for name, value in tags.items() if name.startswith(prefix)}


def _expected_gain(versions: Sequence[VersionPoint], size: int) -> float | None:
    """In Dice, of ``size`` more corrections than the newest training had."""
    scores = [(version.learned, version.dice) for version in versions if version.learned and version.dice is not None]
    curve = learning_curve([count for count, _ in scores], [dice for _, dice in scores])
    return None if curve is None else curve.gain(max(count for count, _ in scores), size)

"""How a project stands, and whether more labelling is worth it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from matcurate.acquisition.stopping import Interval, Verdict, decide_stop, fraction_interval, learning_curve
from matcurate.catalog.columns import utc_now
from matcurate.catalog.corrections import list_corrections
from matcurate.catalog.learning_records import Part
from matcurate.catalog.micrographs import list_for_project
from matcurate.catalog.predictions import latest_prediction
from matcurate.catalog.rankings import newest_ranking
from matcurate.catalog.records import CorrectionRecord, MicrographRecord, PredictionRecord
from matcurate.catalog.snapshots import list_snapshots, snapshot_items
from matcurate.imaging.labels import decode_labels
from matcurate.tracking.reach import state_of
from matcurate.types import Progress, silent
from matcurate.workflows.home.pixels import load_counted
from matcurate.workflows.home.workspace import Workspace
from matcurate.workflows.labelling.effort import VersionEffort, measure_effort
from matcurate.workflows.snapshots.samples import exact_ratios
from matcurate.workflows.snapshots.snapshot import golden_set, newest_usable


@dataclass(frozen=True, slots=True)
class Counts:
    """Micrographs of the project, and how many of them are golden, corrected, and only predicted."""

    micrographs: int
    golden: int
    corrected: int
    predicted: int


@dataclass(frozen=True, slots=True)
class VersionPoint:
    """A version on today's golden set.

    Parameters
    ----------
    name : str
        Of the version.
    learned : int or None
        Micrographs that it learned from; None where this home does not know its snapshot.
    dice, fraction_error : float or None
        On the golden set as it is now; None where it was not measured there.
    champion : bool
        Whether it serves.
    calibration : mapping of str to float
        What was recorded of its uncertainty: "ece", "error_auroc", …
    """

    name: str
    learned: int | None
    dice: float | None
    fraction_error: float | None
    champion: bool
    calibration: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ProjectReport:
    """Everything that the page shows.

    Parameters
    ----------
    project, lab : str
        Names.
    at : datetime
        When it was made.
    counts : Counts
        Of micrographs.
    fractions : mapping of str to Interval
        Area fraction of each phase, over all micrographs with phases: the expert's where there is a correction, else
        the newest prediction's. Empty when fewer than two have any.
    versions : tuple of VersionPoint
        Oldest first.
    silent : str or None
        Address of MLflow where its server does not answer: then no version is known.
    effort : tuple of VersionEffort
        What corrections cost the experts, by the version that they corrected.
    next_images : tuple of str
        Names of the micrographs of the newest ranking that wait for their expert, in its order.
    round_size : int
        Corrections of the round whose gain is expected.
    gain : float or None
        In Dice, expected of another round; None where it cannot be told.
    verdict : Verdict
        Stop or go on, and why.
    """

    project: str
    lab: str
    at: datetime
    counts: Counts
    fractions: Mapping[str, Interval]
    versions: tuple[VersionPoint, ...]
    silent: str | None
    effort: tuple[VersionEffort, ...]
    next_images: tuple[str, ...]
    round_size: int
    gain: float | None
    verdict: Verdict


def project_report(workspace: Workspace, *, seed: int = 0, progress: Progress = silent) -> ProjectReport:
    """Read catalog and registry, and decide by the settings' section ``report``.

    Parameters
    ----------
    workspace : Workspace
        The open installation.
    seed : int
        Of the bootstrap, non-negative.
    progress : Progress
        Told micrographs looked at.

    Raises
    ------
    CatalogError
        When the project is unknown, or a mask is missing or damaged.
    TrackingError
        When MLflow's store answers, but with an error.
    """
    settings, project = workspace.settings.report, workspace.project()
    with workspace.reading() as session:
        micrographs = list_for_project(session, project.id)
        corrected = newest_usable(list_corrections(session, project.id))
        predicted = {m.id: latest_prediction(session, project.id, m.id) for m in micrographs}
        ranking = newest_ranking(session, project.id)
    fractions = _fractions(workspace, micrographs, corrected, predicted, progress)
    rng = np.random.default_rng(seed)
    intervals = {
        name: fraction_interval(np.array([each[name] for each in fractions]), rng, settings.confidence)
        for name in (project.classes if len(fractions) > 1 else ())
    }
    mlflow = workspace.settings.resolved_tracking_uri
    state = state_of(mlflow)
    versions = _versions(workspace) if state == "there" else ()
    size = workspace.settings.rank.count
    gain = _expected_gain(versions, size)
    names = {m.id: m.name for m in micrographs}
    waiting = [] if ranking is None else [lease.micrograph_id for lease in ranking.chosen]
    return ProjectReport(
        project=project.name,
        lab=workspace.settings.lab,
        at=utc_now(),
        counts=Counts(
            micrographs=len(micrographs),
            golden=sum(m.golden for m in micrographs),
            corrected=len(corrected),
            predicted=sum(m.id not in corrected and predicted[m.id] is not None for m in micrographs),
        ),
        fractions=intervals,
        versions=versions,
        silent=mlflow if state == "silent" else None,
        effort=measure_effort(workspace).versions,
        next_images=tuple(names[each] for each in waiting if each not in corrected),
        round_size=size,
        gain=gain,
        verdict=decide_stop(intervals, gain, size, half_width=settings.half_width, least_gain=settings.least_gain),
    )


def as_document(report: ProjectReport) -> dict[str, object]:
    """The report as JSON holds it."""
    verdict = "stop" if report.verdict.stop else "go on"
    return {
        "project": report.project,
        "lab": report.lab,
        "at": report.at.isoformat(timespec="seconds"),
        "verdict": verdict,
        "why": list(report.verdict.why),
        "counts": {name: getattr(report.counts, name) for name in Counts.__slots__},
        "fractions": {
            name: {"mean": each.mean, "low": each.low, "high": each.high, "images": each.images}
            for name, each in report.fractions.items()
        },
        "versions": [
            {**{name: getattr(each, name) for name in VersionPoint.__slots__}, "calibration": dict(each.calibration)}
            for each in report.versions
        ],
        "silent": report.silent,
        "effort": [{name: getattr(each, name) for name in VersionEffort.__slots__} for each in report.effort],
        "next_images": list(report.next_images),
        "round_size": report.round_size,
        "expected_gain": report.gain,
    }


def _fractions(
    workspace: Workspace,
    micrographs: Sequence[MicrographRecord],
    corrected: Mapping[int, CorrectionRecord],
    predicted: Mapping[int, PredictionRecord | None],
    progress: Progress,
) -> list[dict[str, float]]:
    """Area fraction of every class, matrix included, of each micrograph that has phases."""
    classes, found = workspace.project().classes, []
    for done, each in enumerate(micrographs):
        progress(done, len(micrographs), each.name)
        correction, prediction = corrected.get(each.id), predicted[each.id]
        if correction is not None:
            mask = decode_labels(workspace.objects.get(str(correction.phases_key)), f"mask of {each.name}")
            shares = exact_ratios(mask, len(classes) - 1, load_counted(workspace, each)[1])
            found.append(dict(zip(classes, (float(value) for value in shares), strict=True)))
        elif prediction is not None:
            phases = {name: prediction.phase_fractions.get(name, 0.0) for name in classes[1:]}
            found.append({classes[0]: max(0.0, 1.0 - sum(phases.values())), **phases})
    progress(len(micrographs), len(micrographs))
    return found


def _versions(workspace: Workspace) -> tuple[VersionPoint, ...]:
    """All versions of a store that is there."""
    # MLflow takes seconds to import, which homes without a model need not pay.
    from matcurate.tracking.registry import CHAMPION
    from matcurate.workflows.evaluation.measurements import measurements
    from matcurate.workflows.versions.models import open_registry

    golden = golden_set(workspace).digest
    with workspace.reading() as session:
        learned = {
            each.digest: len(snapshot_items(session, each.id, Part.TRAIN))
            for each in list_snapshots(session, workspace.project().id)
        }
    found = []
    for version in sorted(open_registry(workspace).versions(), key=lambda each: each.version):
        measured = measurements(version).get(golden)
        found.append(
            VersionPoint(
                name=version.name,
                learned=learned.get(version.tags.snapshot or ""),
                dice=None if measured is None else measured.dice,
                fraction_error=None if measured is None else measured.fraction_error,
                champion=CHAMPION in version.aliases,
                calibration={name: float(value) for name, value in version.tags.calibration.items()},
            )
        )
    return tuple(found)


def _expected_gain(versions: Sequence[VersionPoint], size: int) -> float | None:
    """In Dice, of ``size`` more corrections than the newest training had."""
    points = [(each.learned, each.dice) for each in versions if each.learned and each.dice is not None]
    curve = learning_curve([count for count, _ in points], [dice for _, dice in points])
    return None if curve is None else curve.gain(max(count for count, _ in points), size)

"""What correcting predictions costs the experts: pixels changed and time spent, by model version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean, median

import numpy as np

from matcurate.catalog.statistics import CorrectedPrediction, corrected_predictions, count_from_nothing
from matcurate.errors import CatalogError
from matcurate.types import LabelMap, Progress, silent
from matcurate.workflows.home import Workspace


@dataclass(frozen=True, slots=True)
class Effort:
    """One correction's cost.

    ``model_version`` made the corrected prediction. ``changed``: share of the pixels whose class id the expert changed,
    in [0, 1]. ``lead_time``: seconds that Label Studio counted, if it did. ``at``: when the annotation last changed.
    """

    micrograph_id: int
    correction_id: int
    model_version: str
    changed: float
    lead_time: float | None
    at: datetime


@dataclass(frozen=True, slots=True)
class VersionEffort:
    """The cost of a model version's predictions: mean share of changed pixels, median seconds."""

    model_version: str
    corrections: int
    changed: float
    lead_time: float | None


@dataclass(frozen=True, slots=True)
class EffortReport:
    """All corrections of predictions, oldest first; ``from_nothing`` counts those that began without a prediction."""

    efforts: tuple[Effort, ...]
    versions: tuple[VersionEffort, ...]
    from_nothing: int


def measure_effort(workspace: Workspace, progress: Progress = silent) -> EffortReport:
    """Compare every usable correction with the prediction it began from.

    Skipped and retracted annotations do not count, and neither do those without class ids. Raises CatalogError when the
    project is unknown, or a mask is missing, damaged or of another size.
    """
    project = workspace.project()
    with workspace.reading() as session:
        corrected = corrected_predictions(session, project.id)
        from_nothing = count_from_nothing(session, project.id)
    efforts = _efforts(workspace, corrected, progress)
    return EffortReport(efforts, tuple(by_version(efforts)), from_nothing)


def newest_version_changes(workspace: Workspace) -> tuple[float, ...]:
    """Shares of changed pixels of the model version that was corrected last, oldest first.

    Raises
    ------
    CatalogError
        When the project is unknown, or a mask of this version is missing, damaged or of another size.
    """
    project = workspace.project()
    with workspace.reading() as session:
        corrected = corrected_predictions(session, project.id)
    newest = [each for each in corrected if each.model_version == corrected[-1].model_version]
    return tuple(effort.changed for effort in _efforts(workspace, newest))


def share_changed(before: LabelMap, after: LabelMap) -> float:
    """Share of the pixels (H, W) whose class ids differ, in [0, 1]; raises ValueError when the shapes differ."""
    if before.shape != after.shape:
        raise ValueError(f"masks of {before.shape} and {after.shape} cannot be compared")
    return float(np.count_nonzero(before != after) / before.size)


def by_version(efforts: Sequence[Effort]) -> list[VersionEffort]:
    """Means and medians by model version, in the order in which versions were first corrected."""
    rows = []
    for name in dict.fromkeys(effort.model_version for effort in efforts):
        own = [effort for effort in efforts if effort.model_version == name]
        times = [effort.lead_time for effort in own if effort.lead_time is not None]
        mean = fmean(effort.changed for effort in own)
        rows.append(VersionEffort(name, len(own), mean, median(times) if times else None))
    return rows


def _efforts(
    workspace: Workspace, corrected: Sequence[CorrectedPrediction], progress: Progress = silent
) -> tuple[Effort, ...]:
    efforts = []
    for done, each in enumerate(corrected):
        progress(done, len(corrected))
        efforts.append(_effort(workspace, each))
    progress(len(corrected), len(corrected))
    return tuple(efforts)


def _effort(workspace: Workspace, corrected: CorrectedPrediction) -> Effort:
    from matcurate.imaging.labels import decode_labels  # with libraries that an empty home need not import

    correction, prediction = corrected.correction, corrected.prediction
    before = decode_labels(workspace.objects.get(prediction.phases_key))
    after = decode_labels(workspace.objects.get(str(correction.phases_key)))
    if before.shape != after.shape:
        raise CatalogError(
            f"correction {correction.id} is {after.shape[1]} x {after.shape[0]} pixels, its prediction {prediction.id} "
            f"{before.shape[1]} x {before.shape[0]}; correct the micrograph again in Label Studio"
        )
    return Effort(
        micrograph_id=correction.micrograph_id,
        correction_id=correction.id,
        model_version=corrected.model_version,
        changed=share_changed(before, after),
        lead_time=correction.lead_time,
        at=correction.ls_updated_at,
    )

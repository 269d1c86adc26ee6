"""Micrographs → predictions in the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from matcurate.catalog import (
    MicrographRecord,
    ModelVersionRecord,
    NewPrediction,
    PredictionRecord,
    ProjectRecord,
    ensure_model_version,
    list_micrographs,
    predicted_micrographs,
    prediction_for,
    store_prediction,
)
from matcurate.errors import ConfigError, CurateError
from matcurate.segmentation.result import Segmentation
from matcurate.types import BoolMask, Pixels, Progress, silent
from matcurate.workflows.home import Workspace, load_counted, put_labels
from matcurate.workflows.presegment.presegmenter import PreSegmenter

Selection = Literal["all", "new"]
Scored = TypeVar("Scored")


class Scoring(Protocol[Scored]):
    """Scores micrographs in the pass that segments them, and keeps the scores for the ranking."""

    def segmented(self, pixels: Pixels, ignored: BoolMask | None = None) -> tuple[Segmentation, Scored | None]:
        """Segment a micrograph (H, W) without what is ignored (H, W); None where scores need a pass of their own."""

    def store(
        self, workspace: Workspace, version: ModelVersionRecord, micrograph: MicrographRecord, scored: Scored
    ) -> object:
        """Keep the scores that a version gives a micrograph."""


@dataclass(frozen=True, slots=True)
class PresegmentReport:
    """The version that predicted, what it predicted, how many needed nothing, and one line for each failure."""

    model_version: str
    done: tuple[PredictionRecord, ...]
    skipped: int
    failed: tuple[str, ...]


def presegment_micrographs(
    workspace: Workspace,
    segmenter: PreSegmenter,
    selection: Selection = "all",
    ids: Sequence[int] | None = None,
    progress: Progress = silent,
    scorer: Scoring[Scored] | None = None,
) -> PresegmentReport:
    """Predict the project's micrographs that have no prediction of this version yet.

    ``selection`` "new" leaves out those that an earlier version has predicted; ``ids`` limits it to some catalog ids. A
    ``scorer`` of the same segmenter stores its scores in the same pass, so that ranking need not compute them again;
    the golden set is never scored. Raises CatalogError when the project or an id is unknown.
    """
    project = workspace.project()
    version = register_version(workspace, project, segmenter)
    todo, skipped = _choose(workspace, project, version, selection, ids)
    done, failed = [], []
    for index, micrograph in enumerate(todo):
        progress(index, len(todo), micrograph.name)
        try:
            scoring = None if micrograph.golden else scorer
            done.append(predict_micrograph(workspace, project, version, segmenter, micrograph, scoring))
        except CurateError as error:
            failed.append(f"{micrograph.name}: {error}")
    progress(len(todo), len(todo))
    return PresegmentReport(version.name, tuple(done), skipped, tuple(failed))


def register_version(workspace: Workspace, project: ProjectRecord, segmenter: PreSegmenter) -> ModelVersionRecord:
    """The catalog's row for this segmenter, made when it is new."""
    facts = segmenter.facts
    with workspace.writing() as session:
        return ensure_model_version(
            session,
            project.id,
            segmenter.version,
            backbone=facts.backbone,
            backbone_digest=facts.backbone_digest,
            preset=facts.preset,
            settings=facts.settings,
        )


def predict_micrograph(
    workspace: Workspace,
    project: ProjectRecord,
    version: ModelVersionRecord,
    segmenter: PreSegmenter,
    micrograph: MicrographRecord,
    scorer: Scoring[Scored] | None = None,
) -> PredictionRecord:
    """Segment one micrograph at its full depth and store the result, and its scores where the scorer has them.

    Raises CurateError when the original is damaged, or the segmentation has more classes than the project has phases.
    """
    pixels, ignored = load_counted(workspace, micrograph)
    segmentation, scored = (
        (segmenter.segment(pixels, ignored=ignored), None) if scorer is None else scorer.segmented(pixels, ignored)
    )
    fractions = _named_fractions(segmentation, project)
    prediction = NewPrediction(
        micrograph_id=micrograph.id,
        model_version_id=version.id,
        phases_key=put_labels(workspace, segmentation.phases),
        instances_key=put_labels(workspace, segmentation.instances),
        score=segmentation.score,
        phase_fractions=fractions,
    )
    with workspace.writing() as session:
        stored = store_prediction(session, prediction)[0]
    if scorer is not None and scored is not None:
        scorer.store(workspace, version, micrograph, scored)
    return stored


def stored_prediction(
    workspace: Workspace, version: ModelVersionRecord, micrograph: MicrographRecord
) -> PredictionRecord | None:
    """The stored prediction of this version, if any."""
    with workspace.reading() as session:
        return prediction_for(session, micrograph.id, version.id)


def _choose(
    workspace: Workspace,
    project: ProjectRecord,
    version: ModelVersionRecord,
    selection: Selection,
    ids: Sequence[int] | None,
) -> tuple[list[MicrographRecord], int]:
    with workspace.reading() as session:
        wanted = list_micrographs(session, project.id, ids=ids)
        todo = list_micrographs(session, project.id, without_prediction_of=version.id, ids=ids)
        if selection == "new":
            predicted = predicted_micrographs(session, project.id)
            todo = [m for m in todo if m.id not in predicted]
    return todo, len(wanted) - len(todo)


def _named_fractions(segmentation: Segmentation, project: ProjectRecord) -> dict[str, float]:
    """Area fraction of each of the project's phases; the rest is matrix."""
    highest = int(segmentation.phases.max(initial=0))
    if highest > len(project.phases):
        raise ConfigError(
            f"the segmentation has {highest} phases, the project {project.name!r} only {', '.join(project.phases)}; "
            "choose a preset that fits, or create a project with more phases"
        )
    fractions = segmentation.phase_fractions
    return {name: fractions.get(k, 0.0) for k, name in enumerate(project.phases, start=1)}

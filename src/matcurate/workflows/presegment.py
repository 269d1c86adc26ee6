"""Micrographs → predictions in the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from matcurate.catalog.micrographs import list_for_project
from matcurate.catalog.model_versions import ensure_model_version
from matcurate.catalog.predictions import latest_prediction, prediction_for, store_prediction
from matcurate.catalog.records import (
    MicrographRecord,
    ModelVersionRecord,
    NewPrediction,
    PredictionRecord,
    ProjectRecord,
)
from matcurate.errors import ConfigError, CurateError
from matcurate.imaging.ignored import ignored_of
from matcurate.imaging.labels import encode_labels, label_suffix
from matcurate.imaging.micrograph import Micrograph
from matcurate.imaging.read import decode_micrograph
from matcurate.segmentation.result import Segmentation
from matcurate.types import BoolMask, LabelMap, Pixels, Progress, silent
from matcurate.workflows.presegmenter import PreSegmenter
from matcurate.workflows.score_store import store_scored
from matcurate.workflows.workspace import Workspace

if TYPE_CHECKING:  # it knows MLflow, which takes seconds to import
    from matcurate.workflows.scorer import Scorer

Selection = Literal["all", "new"]


@dataclass(frozen=True, slots=True)
class PresegmentReport:
    """The version that predicted, what it predicted, how many needed nothing, and one line for each failure."""

    model_version: str
    done: tuple[PredictionRecord, ...]
    skipped: int
    failed: tuple[str, ...]


def presegment(
    workspace: Workspace,
    segmenter: PreSegmenter,
    selection: Selection = "all",
    ids: Sequence[int] | None = None,
    progress: Progress = silent,
    scorer: Scorer | None = None,
) -> PresegmentReport:
    """Predict the project's micrographs that have no prediction of this version yet.

    Parameters
    ----------
    workspace : Workspace
        The open installation.
    segmenter : PreSegmenter
        Its ``version`` names the predictions.
    selection : {"all", "new"}
        "new" leaves out those that an earlier version has predicted.
    ids : sequence of int, optional
        Only these micrographs (catalog ids).
    progress : Progress
        Called once a micrograph.
    scorer : Scorer, optional
        Of the same segmenter: what it says in the same pass is stored too, so that ranking need not look again. The
        golden set is never ranked, nor scored here.

    Raises
    ------
    CatalogError
        When the project or an id is unknown.
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
    scorer: Scorer | None = None,
) -> PredictionRecord:
    """Segment one micrograph at its full depth and store the result, and its scores where the scorer has them.

    Raises
    ------
    CurateError
        When the original is damaged, or the segmentation has more classes than the project has phases.
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
        store_scored(workspace, scorer.digest, version, micrograph, scored)
    return stored


def stored_prediction(
    workspace: Workspace, version: ModelVersionRecord, micrograph: MicrographRecord
) -> PredictionRecord | None:
    """The prediction of this version, if there is one."""
    with workspace.reading() as session:
        return prediction_for(session, micrograph.id, version.id)


def load_original(workspace: Workspace, micrograph: MicrographRecord) -> Micrograph:
    """Original pixels of a micrograph, from the object store."""
    data = workspace.objects.get(micrograph.object_key)
    limit = workspace.settings.max_megapixels
    return decode_micrograph(data, micrograph.name, micrograph.page, max_megapixels=limit)


def load_counted(workspace: Workspace, micrograph: MicrographRecord) -> tuple[Pixels, BoolMask | None]:
    """Original pixels of a micrograph, and what of them counts for nothing; None where all count or are said to."""
    original = load_original(workspace, micrograph)
    return original.pixels, ignored_of(original) if micrograph.ignores_bars else None


def put_labels(workspace: Workspace, labels: LabelMap) -> str:
    """Store a label image losslessly; returns its key."""
    return workspace.objects.put(encode_labels(labels), label_suffix(labels))


def _choose(
    workspace: Workspace,
    project: ProjectRecord,
    version: ModelVersionRecord,
    selection: Selection,
    ids: Sequence[int] | None,
) -> tuple[list[MicrographRecord], int]:
    with workspace.reading() as session:
        wanted = list_for_project(session, project.id, ids=ids)
        todo = list_for_project(session, project.id, without_prediction_of=version.id, ids=ids)
        if selection == "new":
            todo = [m for m in todo if latest_prediction(session, project.id, m.id) is None]
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

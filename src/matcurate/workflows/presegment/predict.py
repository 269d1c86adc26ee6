"""Label Studio's question "what is in these tasks?", answered from the store when known, computed when not."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from matcurate.catalog.records import MicrographRecord, ModelVersionRecord, PredictionRecord, ProjectRecord
from matcurate.errors import AnnotationError, ConfigError, CurateError
from matcurate.labelstudio.client import LabelStudioClient
from matcurate.labelstudio.ratios import Ratios, asked_ratios
from matcurate.labelstudio.regions import Region
from matcurate.phase.expert_ratio import completed_ratio
from matcurate.types import Progress, silent
from matcurate.workflows.home.pixels import load_counted
from matcurate.workflows.home.workspace import Workspace
from matcurate.workflows.labelling.regions import RegionCodec
from matcurate.workflows.labelling.tasks import TaskQuestion, link_micrograph, task_micrograph
from matcurate.workflows.presegment.presegment import predict_micrograph, register_version, stored_prediction
from matcurate.workflows.presegment.presegmenter import PreSegmenter
from matcurate.workflows.presegment.serving import Serving

log = logging.getLogger(__name__)

Source = Literal["store", "computed", "told", "failed"]


@dataclass(frozen=True, slots=True)
class Answer:
    """The prediction for one task; empty, with the reason in the log, where the image could not be read."""

    task_id: int
    model_version: str
    score: float
    regions: tuple[Region, ...]
    source: Source


def answer_tasks(
    workspace: Workspace,
    client: LabelStudioClient | None,
    serving: Serving,
    tasks: Sequence[TaskQuestion],
    label_config: str,
    context: Mapping[str, object] | None = None,
    progress: Progress = silent,
) -> list[Answer]:
    """Answer every task, in the order asked, all with one version.

    What is computed is stored at once, so that a call that Label Studio gives up on (100 s) is not lost: asked again,
    it comes from the store. Images that the catalog does not know are fetched with our own token and taken in. What
    follows an expert's ratios is theirs alone and is not stored.

    Parameters
    ----------
    workspace : Workspace
        The open installation.
    client : LabelStudioClient, optional
        Fetches images that Label Studio has; without it images from elsewhere are still answered.
    serving : Serving
        The model.
    tasks : sequence of TaskQuestion
        Task ids, data and drafts, as Label Studio sends them.
    label_config : str
        The project's labelling configuration (XML), which names the controls.
    context : mapping, optional
        What an expert has on the page while asking for another prediction; None when a task is merely opened.
    progress : Progress
        Called once a task.

    Raises
    ------
    CatalogError
        When the project has not been created.
    ConfigError
        When an image is on a Label Studio that is not connected, or the labelling configuration or the preset does
        not fit the project: an empty answer would be stored as a prediction.
    """
    project = workspace.project()
    segmenter = serving.load()
    version = register_version(workspace, project, segmenter)
    codec = RegionCodec.for_project(workspace, project, label_config)
    desk = _Desk(workspace, client, serving, segmenter, project, version, codec)
    answers = []
    for index, task in enumerate(tasks):
        progress(index, len(tasks), str(task.id))
        try:
            answers.append(desk.answer(task, context))
        except ConfigError:
            raise
        except CurateError as error:
            log.warning("task %d: %s", task.id, error)
            answers.append(Answer(task.id, version.name, 0.0, (), "failed"))
    progress(len(tasks), len(tasks))
    return answers


def check_label_config(workspace: Workspace, label_config: str) -> None:
    """Raise ConfigError when a labelling configuration lacks what the project needs."""
    RegionCodec.for_project(workspace, workspace.project(), label_config)


@dataclass(frozen=True, slots=True)
class _Desk:
    """Answers tasks of one project with one version."""

    workspace: Workspace
    client: LabelStudioClient | None
    serving: Serving
    segmenter: PreSegmenter
    project: ProjectRecord
    version: ModelVersionRecord
    codec: RegionCodec

    def answer(self, task: TaskQuestion, context: Mapping[str, object] | None) -> Answer:
        """Answer from the store, computed, or as told by the expert's ratios."""
        micrograph = task_micrograph(self.workspace, self.client, self.project, task, self.codec.config.image_key)
        if self.workspace.settings.label_studio.project_id is not None:
            link_micrograph(self.workspace, self.project, task, micrograph)
        ratios = None if context is None else asked_ratios(context, task.drafts, self.codec.config)
        if ratios is not None:
            return self._told(task, micrograph, ratios)
        prediction, source = self._predict(micrograph)
        regions = tuple(self.codec.encode(prediction))
        return Answer(task.id, self.version.name, prediction.score, regions, source)

    def _predict(self, micrograph: MicrographRecord) -> tuple[PredictionRecord, Source]:
        known = stored_prediction(self.workspace, self.version, micrograph)
        if known is not None:
            return known, "store"
        with self.serving.turn():
            known = stored_prediction(self.workspace, self.version, micrograph)  # another call may have computed it
            if known is not None:
                return known, "store"
            return predict_micrograph(
                self.workspace, self.project, self.version, self.segmenter, micrograph
            ), "computed"

    def _told(self, task: TaskQuestion, micrograph: MicrographRecord, ratios: Ratios) -> Answer:
        """Segment again with the expert's ratios; what they left out is guessed from what was found without."""
        found = [0.0] * len(ratios)
        if None in ratios:
            fractions = self._predict(micrograph)[0].phase_fractions
            found = [fractions.get(name, 0.0) for name in self.project.phases]
        try:
            ratio = completed_ratio(ratios, found)
        except ValueError as error:
            raise AnnotationError(str(error)) from error
        pixels, ignored = load_counted(self.workspace, micrograph)
        with self.serving.turn():
            segmentation = self.segmenter.segment(pixels, ratio, ignored)
        regions = self.codec.encode_labels(
            segmentation.phases, segmentation.instances, [float(share) for share in ratio[1:]], segmentation.score
        )
        return Answer(task.id, self.version.name, segmentation.score, tuple(regions), "told")

"""Predictions that Label Studio requests for its tasks: from the store where there is one, else computed."""

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
from matcurate.phase.told import completed_ratio
from matcurate.types import Progress, silent
from matcurate.workflows.home import Workspace, load_counted
from matcurate.workflows.labelling import RegionCodec, TaskQuestion, link_micrograph, task_micrograph
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
    it comes from the store. Images that the catalog does not know are fetched with our own token and ingested; without
    a ``client`` only those that Label Studio does not hold. ``context`` is what an expert has on the page while
    requesting another prediction, None when a task is merely opened; what follows an expert's ratios is theirs alone
    and not stored.

    Raises CatalogError when the project has not been created; ConfigError when an image is on a Label Studio that is
    not connected, or the labelling configuration (XML) or the preset does not fit the project: an empty answer would be
    stored as a prediction.
    """
    project = workspace.project()
    segmenter = serving.load()
    version = register_version(workspace, project, segmenter)
    codec = RegionCodec.for_project(workspace, project, label_config)
    answerer = TaskAnswerer(workspace, client, serving, segmenter, project, version, codec)
    answers = []
    for index, task in enumerate(tasks):
        progress(index, len(tasks), str(task.id))
        try:
            answers.append(answerer.answer(task, context))
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
class TaskAnswerer:
    """Answers tasks of one project with one version."""

    workspace: Workspace
    client: LabelStudioClient | None
    serving: Serving
    segmenter: PreSegmenter
    project: ProjectRecord
    version: ModelVersionRecord
    codec: RegionCodec

    def answer(self, task: TaskQuestion, context: Mapping[str, object] | None) -> Answer:
        """Answer from the store, by computing, or with the expert's ratios."""
        micrograph = task_micrograph(self.workspace, self.client, self.project, task, self.codec.config.image_key)
        if self.workspace.settings.label_studio.project_id is not None:
            link_micrograph(self.workspace, self.project, task, micrograph)
        ratios = None if context is None else asked_ratios(context, task.drafts, self.codec.config)
        if ratios is not None:
            return self._with_ratios(task, micrograph, ratios)
        prediction, source = self._predict(micrograph)
        regions = tuple(self.codec.encode(prediction))
        return Answer(task.id, self.version.name, prediction.score, regions, source)

    def _predict(self, micrograph: MicrographRecord) -> tuple[PredictionRecord, Source]:
        stored = stored_prediction(self.workspace, self.version, micrograph)
        if stored is not None:
            return stored, "store"
        with self.serving.turn():
            stored = stored_prediction(self.workspace, self.version, micrograph)  # another call may have computed it
            if stored is not None:
                return stored, "store"
            return predict_micrograph(
                self.workspace, self.project, self.version, self.segmenter, micrograph
            ), "computed"

    def _with_ratios(self, task: TaskQuestion, micrograph: MicrographRecord, ratios: Ratios) -> Answer:
        """Segment again with the expert's ratios; missing ones are completed from the prediction without ratios."""
        predicted = [0.0] * len(ratios)
        if None in ratios:
            fractions = self._predict(micrograph)[0].phase_fractions
            predicted = [fractions.get(name, 0.0) for name in self.project.phases]
        try:
            ratio = completed_ratio(ratios, predicted)
        except ValueError as error:
            raise AnnotationError(str(error)) from error
        pixels, ignored = load_counted(self.workspace, micrograph)
        with self.serving.turn():
            segmentation = self.segmenter.segment(pixels, ratio, ignored)
        regions = self.codec.encode_labels(
            segmentation.phases, segmentation.instances, [float(share) for share in ratio[1:]], segmentation.score
        )
        return Answer(task.id, self.version.name, segmentation.score, tuple(regions), "told")

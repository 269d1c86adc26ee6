"""Predictions that Label Studio requests for its tasks: from the store where there is one, else computed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from matcurate.catalog import (
    MicrographRecord,
    ModelVersionRecord,
    PredictionRecord,
    ProjectRecord,
    latest_prediction,
)
from matcurate.errors import AnnotationError, ConfigError, CurateError
from matcurate.labelstudio import (
    LabelStudioClient,
    Region,
    areas_region,
    asked_ratios,
    asked_trust,
    open_where_same,
)
from matcurate.phase.expert_ratio import ExpertRatio
from matcurate.types import Progress, silent
from matcurate.workflows.home import Workspace, load_counted
from matcurate.workflows.labelling import RegionCodec, TaskQuestion, link_micrograph, task_micrograph
from matcurate.workflows.presegment.presegment import predict_micrograph, register_version, stored_prediction
from matcurate.workflows.presegment.presegmenter import PreSegmenter
from matcurate.workflows.presegment.serving import Serving

log = logging.getLogger(__name__)

Source = Literal["store", "computed", "told", "clicked", "failed"]


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
    requesting another prediction, None when a task is merely opened; the ratios there and in the task's drafts are
    followed. What follows an expert's ratios is theirs alone and not stored.

    Raises CatalogError when the project has not been created; ConfigError when an image is on a Label Studio that is
    not connected, or the labelling configuration (XML) or the preset does not fit the project: an empty answer would be
    stored as a prediction.
    """
    answerer = TaskAnswerer.for_project(workspace, client, serving, label_config)
    answers = []
    for index, task in enumerate(tasks):
        progress(index, len(tasks), str(task.id))
        try:
            answers.append(answerer.answer(task, context))
        except ConfigError:
            raise
        except CurateError as error:
            log.warning("task %d: %s", task.id, error)
            answers.append(Answer(task.id, answerer.version.name, 0.0, (), "failed"))
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

    @classmethod
    def for_project(
        cls, workspace: Workspace, client: LabelStudioClient | None, serving: Serving, label_config: str
    ) -> TaskAnswerer:
        """For the workspace's project, with what serves now; errors as of :func:`answer_tasks`."""
        project, segmenter = workspace.project(), serving.load()
        version = register_version(workspace, project, segmenter)
        codec = RegionCodec.for_project(workspace, project, label_config)
        return cls(workspace, client, serving, segmenter, project, version, codec)

    def micrograph(self, task: TaskQuestion) -> MicrographRecord:
        """Find the micrograph of a task, fetched and ingested if need be, and link the two."""
        micrograph = task_micrograph(self.workspace, self.client, self.project, task, self.codec.config.image_key)
        if self.workspace.settings.label_studio.project_id is not None:
            link_micrograph(self.workspace, self.project, task, micrograph)
        return micrograph

    def answer(self, task: TaskQuestion, context: Mapping[str, object] | None) -> Answer:
        """Answer from the store, by computing, or with the expert's ratio."""
        micrograph = self.micrograph(task)
        try:
            ratio = self._expert_ratio(task, micrograph, context)
        except AnnotationError as error:
            if context is not None:
                raise
            log.warning("task %d: its drafts are ignored: %s", task.id, error)
            ratio = None
        if ratio is not None:
            return self.with_ratio(task, micrograph, ratio)
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

    def _expert_ratio(
        self, task: TaskQuestion, micrograph: MicrographRecord, context: Mapping[str, object] | None
    ) -> ExpertRatio | None:
        """Ratio that an expert has typed on the page or in a draft; not what a prediction has put into the fields."""
        ratios = asked_ratios(context, task.drafts, self.codec.config)
        if ratios is None:
            return None
        with self.workspace.reading() as session:
            shown = latest_prediction(session, self.project.id, micrograph.id)
        for prediction in (shown, stored_prediction(self.workspace, self.version, micrograph)):
            if ratios is not None and prediction is not None:
                ratios = open_where_same(ratios, self._shares(prediction.phase_fractions))
        if ratios is None:
            return None
        try:
            return ExpertRatio.of_phases(ratios, asked_trust(context, task.drafts))
        except ValueError as error:
            raise AnnotationError(str(error)) from error

    def with_ratio(self, task: TaskQuestion, micrograph: MicrographRecord, ratio: ExpertRatio) -> Answer:
        """Segment again with the expert's ratio.

        The number fields of phases that it leaves open keep the prediction's values: what differs from those counts as
        the expert's the next time.
        """
        prediction = self._predict(micrograph)[0]
        pixels, ignored = load_counted(self.workspace, micrograph)
        with self.serving.turn():
            segmentation = self.segmenter.segment(pixels, ratio, ignored)
        given = ratio.areas[1:]
        shown = np.where(np.isfinite(given), given, self._shares(prediction.phase_fractions))
        regions = self.codec.encode_labels(
            segmentation.phases, segmentation.instances, shown.tolist(), segmentation.score
        )
        text = areas_region(stated_areas(self.project.phases, ratio, segmentation.phase_fractions), self.codec.config)
        regions += [] if text is None else [text]
        return Answer(task.id, self.version.name, segmentation.score, tuple(regions), "told")

    def _shares(self, fractions: Mapping[str, float]) -> list[float]:
        return [fractions.get(name, 0.0) for name in self.project.phases]


def stated_areas(phases: Sequence[str], ratio: ExpertRatio, fractions: Mapping[int, float]) -> str:
    """State for every phase what the expert told and what the masks have: ``ferrite: told .200, found .190``."""
    parts = []
    for index, name in enumerate(phases, start=1):
        given = f"told {ratio.areas[index]:.3f}, " if np.isfinite(ratio.areas[index]) else ""
        parts.append(f"{name}: {given}found {fractions.get(index, 0.0):.3f}")
    return f"{'; '.join(parts)} ({ratio.trust})"

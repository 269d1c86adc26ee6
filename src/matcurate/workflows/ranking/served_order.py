"""The order in which Label Studio serves a project's tasks: written as scores of predictions, read back, verified.

Its uncertainty sampling serves the lowest score first, among the predictions of the model version that the project
shows; when the two versions differ it is silently random.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from matcurate.catalog.predictions import mark_pushed, pushed_predictions
from matcurate.catalog.ranking_records import PushedPrediction
from matcurate.catalog.records import ModelVersionRecord
from matcurate.errors import LabelStudioError, LabelStudioNotFoundError
from matcurate.labelstudio.client import LabelStudioClient
from matcurate.labelstudio.records import TaskRef
from matcurate.types import Progress
from matcurate.workflows.home import Workspace, connected_project_id
from matcurate.workflows.labelling import SAMPLING

LAST = 1.0
"""Confidence of what is served after all that is ordered."""
TOLERANCE = 1e-9
"""Largest difference of a score that is read back; neighbours in the order differ by 1 / pool."""


def confidences(order: Sequence[int]) -> dict[int, float]:
    """Score of each micrograph of an order: strictly increasing from 0 for the first, below 1."""
    return {micrograph_id: place / len(order) for place, micrograph_id in enumerate(order)}


def write_order(
    workspace: Workspace,
    client: LabelStudioClient,
    version: ModelVersionRecord,
    confidence: Mapping[int, float],
    progress: Progress,
) -> int:
    """Let Label Studio serve the micrographs with the lowest confidence first; returns how many tasks have theirs now.

    ``confidence`` is by micrograph, in [0, 1]; predictions of other micrographs (annotated, golden, unreadable ones)
    get :data:`LAST`. Only scores that differ are written, one after the other: what was written before a crash is not
    written again. Returns 0 when Label Studio holds no prediction of this version. Raises LabelStudioError when it does
    not hold afterwards what it was sent.
    """
    writer = _Writer(workspace, client, version, connected_project_id(workspace.settings))
    with workspace.reading() as session:
        held = pushed_predictions(session, writer.ls_project_id, version.id)
    if not held:
        return 0
    scores = {row.task.ls_task_id: confidence.get(row.prediction.micrograph_id, LAST) for row in held}
    todo = writer.differing(held, scores)
    for index, row in enumerate(todo):
        progress(index, len(todo), "order")
        writer.write(row, scores[row.task.ls_task_id])
    progress(len(todo), len(todo))
    client.projects.update(writer.ls_project_id, model_version=version.name, sampling=SAMPLING)
    for row in writer.differing(held, scores):  # a second prediction of the version, or a new one
        writer.settle(row, scores[row.task.ls_task_id])
    writer.verify(held, scores)
    return len(held)


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes scores of one version's predictions in one Label Studio project."""

    workspace: Workspace
    client: LabelStudioClient
    version: ModelVersionRecord
    ls_project_id: int

    def differing(self, held: Iterable[PushedPrediction], scores: Mapping[int, float]) -> list[PushedPrediction]:
        """Predictions whose task is there, has a prediction, and another score than wanted."""
        tasks = {task.id: task for task in self.client.tasks.of_project(self.ls_project_id)}
        return [row for row in held if _differs(tasks.get(row.task.ls_task_id), scores[row.task.ls_task_id])]

    def write(self, pushed: PushedPrediction, score: float) -> None:
        """Change one score; its prediction is looked up where its id is unknown or outdated."""
        if pushed.ls_prediction_id is None:
            self.settle(pushed, score)
            return
        try:
            self.client.predictions.rescore(pushed.ls_prediction_id, score)
        except LabelStudioNotFoundError:
            self.settle(pushed, score)

    def settle(self, pushed: PushedPrediction, score: float) -> None:
        """Score every prediction of the version on a task, and keep the id of the newest."""
        stored = self.client.predictions.of_task(pushed.task.ls_task_id)
        ours = [prediction for prediction in stored if prediction.model_version == self.version.name]
        for prediction in ours:
            if prediction.score is None or abs(prediction.score - score) > TOLERANCE:
                self.client.predictions.rescore(prediction.id, score)
        if ours:
            with self.workspace.writing() as session:
                mark_pushed(session, pushed.prediction, pushed.task, ours[-1].id)

    def verify(self, held: Sequence[PushedPrediction], scores: Mapping[int, float]) -> None:
        """Read back what decides the order."""
        project = self.client.projects.get(self.ls_project_id)
        if (project.sampling, project.model_version) != (SAMPLING, self.version.name):
            raise LabelStudioError(
                f"Label Studio's project {self.ls_project_id} shows {project.model_version!r} by {project.sampling!r}, "
                f"not {self.version.name!r} by {SAMPLING!r}; set both in its settings and run 'curate rank' again"
            )
        wrong = self.differing(held, scores)
        if wrong:
            raise LabelStudioError(
                f"Label Studio did not keep the scores of {len(wrong)} of {len(held)} predictions (first: task "
                f"{wrong[0].task.ls_task_id}); run 'curate rank' again"
            )


def _differs(task: TaskRef | None, score: float) -> bool:
    if task is None or not task.predictions:  # deleted meanwhile; reading it would make Label Studio ask the backend
        return False
    return task.score is None or abs(task.score - score) > TOLERANCE

"""Micrographs and predictions → Label Studio."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass

from matcurate.catalog.micrographs import list_for_project, unpushed
from matcurate.catalog.model_versions import list_model_versions, version_named
from matcurate.catalog.predictions import forget_pushes, list_predictions, mark_pushed, unpushed_predictions
from matcurate.catalog.records import MicrographRecord, ModelVersionRecord, ProjectRecord, TaskLink, UnpushedPrediction
from matcurate.catalog.tasks import link_task, links_for_project, mark_gone
from matcurate.labelstudio.client import LabelStudioClient
from matcurate.labelstudio.records import ImageUpload, PredictionRow
from matcurate.types import Progress, silent
from matcurate.workflows.home import Workspace, connected_project_id
from matcurate.workflows.labelling.regions import RegionCodec
from matcurate.workflows.labelling.tasks import MICROGRAPH_KEY

IMAGES_AT_ONCE = 20
PREDICTIONS_AT_ONCE = 25


@dataclass(frozen=True, slots=True)
class PushReport:
    """Tasks made, predictions sent, and the version shown (None when it has predicted nothing yet)."""

    tasks: int
    predictions: int
    model_version: str | None


def push_project(
    workspace: Workspace, client: LabelStudioClient, model_version: str, progress: Progress = silent
) -> PushReport:
    """Make a task for every micrograph that has none, and send a version's predictions, if there are any.

    Idempotent, also after a crash half-way: tasks that Label Studio has are found by the content hash they carry.
    What Label Studio stored is counted; its project then shows this model version. Raises LabelStudioError when it does
    not answer, refuses, has lost the project, or stores less than it was sent.
    """
    target = _Target(workspace, client, workspace.project(), connected_project_id(workspace.settings))
    codec = RegionCodec.for_project(workspace, target.project, client.projects.get(target.ls_project_id).label_config)
    predicted = target.reconcile()
    tasks = target.make_tasks(progress)
    with workspace.reading() as session:
        version = version_named(session, target.project.id, model_version)
    if version is None:
        return PushReport(tasks, 0, None)
    sent = target.send(version, codec, predicted, progress)
    return PushReport(tasks, sent, version.name if target.show(version) else None)


@dataclass(frozen=True, slots=True)
class _Target:
    """The Label Studio project that receives tasks and predictions."""

    workspace: Workspace
    client: LabelStudioClient
    project: ProjectRecord
    ls_project_id: int

    def reconcile(self) -> set[int]:
        """Link existing tasks and note deleted ones; returns the tasks that have predictions."""
        present = {task.id: task for task in self.client.tasks.of_project(self.ls_project_id)}
        with self.workspace.reading() as session:
            links = links_for_project(session, self.project.id, self.ls_project_id)
            ours = {m.content_hash: m.id for m in list_for_project(session, self.project.id)}
        linked = {link.ls_task_id: link.micrograph_id for link in links}
        named = {task.id: ours.get(str(task.data.get(MICROGRAPH_KEY))) for task in present.values()}
        with self.workspace.writing() as session:
            for task_id in linked.keys() - present.keys():
                mark_gone(session, self.project.id, self.ls_project_id, task_id)
            for task_id, micrograph_id in named.items():
                if micrograph_id is not None and micrograph_id != linked.get(task_id):
                    link_task(session, self.project.id, micrograph_id, self.ls_project_id, task_id)
        return {task.id for task in present.values() if task.predictions}

    def make_tasks(self, progress: Progress) -> int:
        """Make tasks for the micrographs that have none; returns how many."""
        with self.workspace.reading() as session:
            new = unpushed(session, self.project.id, self.ls_project_id)
        for start in range(0, len(new), IMAGES_AT_ONCE):
            progress(start, len(new), "images")
            batch = new[start : start + IMAGES_AT_ONCE]
            uploads = [self._upload(micrograph) for micrograph in batch]
            task_ids = self.client.tasks.import_images(self.ls_project_id, uploads, key=MICROGRAPH_KEY)
            with self.workspace.writing() as session:
                for micrograph in batch:
                    task_id = task_ids[micrograph.content_hash]
                    link_task(session, self.project.id, micrograph.id, self.ls_project_id, task_id)
        return len(new)

    def send(
        self, version: ModelVersionRecord, codec: RegionCodec, predicted: Container[int], progress: Progress
    ) -> int:
        """Send the version's predictions that Label Studio does not hold; returns how many.

        Only tasks in ``predicted`` are read: reading one without predictions makes Label Studio ask the backend.
        """
        self._forget(version, lambda link: link.ls_task_id not in predicted)  # somebody has deleted them there
        with self.workspace.reading() as session:
            waiting = unpushed_predictions(session, self.ls_project_id, version.id)
        if self.client.predictions.versions(self.ls_project_id).get(version.name):
            waiting = [
                row for row in waiting if not (row.task.ls_task_id in predicted and self._holds(row, version, codec))
            ]
        for start in range(0, len(waiting), PREDICTIONS_AT_ONCE):
            progress(start, len(waiting), "predictions")
            batch = waiting[start : start + PREDICTIONS_AT_ONCE]
            self.client.predictions.import_rows(self.ls_project_id, [_row(codec, version, row) for row in batch])
            with self.workspace.writing() as session:
                for row in batch:
                    mark_pushed(session, row.prediction, row.task, None)
        progress(len(waiting), len(waiting))
        return len(waiting)

    def show(self, version: ModelVersionRecord) -> bool:
        """Show only this version on the page; returns whether it has anything to show. The catalog keeps all.

        Older predictions are deleted once every task has one of this version.
        """
        stored = self.client.predictions.versions(self.ls_project_id)
        if not stored.get(version.name):
            return False
        if self.client.projects.get(self.ls_project_id).model_version != version.name:
            self.client.projects.update(self.ls_project_id, model_version=version.name)
        with self.workspace.reading() as session:
            shown = {link.micrograph_id for link in links_for_project(session, self.project.id, self.ls_project_id)}
            without = list_for_project(session, self.project.id, without_prediction_of=version.id)
            versions = list_model_versions(session, self.project.id)
        if shown & {micrograph.id for micrograph in without}:
            return True
        for older in versions:
            if older.id != version.id and older.name in stored:
                self._forget(older, lambda _: True)  # first: what is marked as sent would never be sent again
                self.client.predictions.delete_version(self.ls_project_id, older.name)
        return True

    def _forget(self, version: ModelVersionRecord, lost: Callable[[TaskLink], bool]) -> None:
        """Note that the tasks for which ``lost`` holds no longer have the version's predictions."""
        with self.workspace.reading() as session:
            predictions = {p.micrograph_id: p for p in list_predictions(session, version.id)}
            waiting = {row.task.id for row in unpushed_predictions(session, self.ls_project_id, version.id)}
            links = links_for_project(session, self.project.id, self.ls_project_id)
        marked = [link for link in links if link.micrograph_id in predictions and link.id not in waiting]
        with self.workspace.writing() as session:
            for link in marked:
                if lost(link):
                    forget_pushes(session, [predictions[link.micrograph_id]], link)

    def _holds(self, unpushed: UnpushedPrediction, version: ModelVersionRecord, codec: RegionCodec) -> bool:
        """Whether Label Studio has the prediction already (fetched from the backend, or sent before a crash).

        An empty one is what the backend answered when the image could not be read: it is deleted.
        """
        stored = self.client.predictions.of_task(unpushed.task.ls_task_id)
        same = [p for p in stored if p.model_version == version.name]
        held = next((p for p in same if p.result or not codec.encode(unpushed.prediction)), None)
        if held is None:
            for empty in same:
                self.client.predictions.delete(empty.id)
            return False
        with self.workspace.writing() as session:
            mark_pushed(session, unpushed.prediction, unpushed.task, held.id)
        return True

    def _upload(self, micrograph: MicrographRecord) -> ImageUpload:
        sizes = {"nm_per_px": micrograph.nm_per_px, "nm_per_px_y": micrograph.nm_per_px_y}
        facts = {"name": micrograph.name, "specimen": micrograph.specimen, "lab": micrograph.lab}
        facts |= {key: f"{size:g}" for key, size in sizes.items() if size is not None}
        shown = {key: value for key, value in facts.items() if value is not None}
        return ImageUpload(
            filename=f"{micrograph.content_hash}.png",
            content=self.workspace.objects.get(micrograph.proxy_key),
            data={MICROGRAPH_KEY: micrograph.content_hash, **shown},
        )


def _row(codec: RegionCodec, version: ModelVersionRecord, unpushed: UnpushedPrediction) -> PredictionRow:
    return PredictionRow(
        task_id=unpushed.task.ls_task_id,
        model_version=version.name,
        score=unpushed.prediction.score,
        result=codec.encode(unpushed.prediction),
    )

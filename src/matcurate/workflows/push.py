"""Micrographs and predictions → Label Studio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matcurate.catalog.micrographs import by_hash, unpushed
from matcurate.catalog.model_versions import version_named
from matcurate.catalog.predictions import mark_pushed, unpushed_predictions
from matcurate.catalog.records import MicrographRecord, ModelVersionRecord, ProjectRecord, UnpushedPrediction
from matcurate.catalog.tasks import link_task, links_for_project, mark_gone
from matcurate.labelstudio.client import LabelStudioClient
from matcurate.labelstudio.records import ImageUpload, PredictionRow
from matcurate.types import Progress, silent
from matcurate.workflows.regions import RegionCodec
from matcurate.workflows.tasks import MICROGRAPH_KEY
from matcurate.workflows.versions import model_version_names
from matcurate.workflows.workspace import Workspace, connected_project_id

IMAGES_AT_ONCE = 20
PREDICTIONS_AT_ONCE = 25


@dataclass(frozen=True, slots=True)
class PushReport:
    """Tasks made, predictions sent, and the version they are of (None when nothing was sent)."""

    tasks: int
    predictions: int
    model_version: str | None


def push(
    workspace: Workspace, client: LabelStudioClient, model_version: str, progress: Progress = silent
) -> PushReport:
    """Make a task for every micrograph that has none, and send a version's predictions.

    Idempotent, also after a crash half-way: tasks that Label Studio has are found by the content hash they carry.
    What Label Studio stored is counted; its project then shows this model version.

    Parameters
    ----------
    workspace : Workspace
        The open installation.
    client : LabelStudioClient
        Label Studio.
    model_version : str
        The version to show; its predictions are sent as far as there are any.
    progress : Progress
        Called once a batch.

    Raises
    ------
    LabelStudioError
        When it does not answer, refuses, has lost the project, or stores less than it was sent.
    """
    project, ls_project_id = workspace.project(), connected_project_id(workspace.settings)
    codec = RegionCodec.for_project(workspace, project, client.projects.get(ls_project_id).label_config)
    _reconcile(workspace, client, project, ls_project_id)
    with workspace.reading() as session:
        new = unpushed(session, project.id, ls_project_id)
        version = version_named(session, project.id, model_version)
    for start in range(0, len(new), IMAGES_AT_ONCE):
        progress(start, len(new), "images")
        _make_tasks(workspace, client, project, ls_project_id, new[start : start + IMAGES_AT_ONCE])
    sent = 0 if version is None else _send(workspace, client, ls_project_id, version, codec, progress)
    return PushReport(len(new), sent, version.name if version and sent else None)


def _reconcile(workspace: Workspace, client: LabelStudioClient, project: ProjectRecord, ls_project_id: int) -> None:
    """Link tasks that are there already, and note those that are gone."""
    present = {task.id: task for task in client.tasks.of_project(ls_project_id)}
    with workspace.writing() as session:
        for link in links_for_project(session, project.id, ls_project_id):
            if link.ls_task_id not in present:
                mark_gone(session, project.id, ls_project_id, link.ls_task_id)
        for task in present.values():
            micrograph = by_hash(session, str(task.data.get(MICROGRAPH_KEY, "")))
            if micrograph is not None:
                link_task(session, project.id, micrograph.id, ls_project_id, task.id)


def _make_tasks(
    workspace: Workspace,
    client: LabelStudioClient,
    project: ProjectRecord,
    ls_project_id: int,
    micrographs: Sequence[MicrographRecord],
) -> None:
    uploads = [
        ImageUpload(
            filename=f"{micrograph.content_hash}.png",
            content=workspace.objects.get(micrograph.proxy_key),
            data={MICROGRAPH_KEY: micrograph.content_hash, **_shown(micrograph)},
        )
        for micrograph in micrographs
    ]
    task_ids = client.tasks.import_images(ls_project_id, uploads, key=MICROGRAPH_KEY)
    with workspace.writing() as session:
        for micrograph in micrographs:
            link_task(session, project.id, micrograph.id, ls_project_id, task_ids[micrograph.content_hash])


def _shown(micrograph: MicrographRecord) -> dict[str, str]:
    """What the annotator sees of a micrograph beside its picture, where it is known."""
    size = None if micrograph.nm_per_px is None else f"{micrograph.nm_per_px:g}"
    facts = {"name": micrograph.name, "specimen": micrograph.specimen, "lab": micrograph.lab, "nm_per_px": size}
    return {key: value for key, value in facts.items() if value is not None}


def _send(
    workspace: Workspace,
    client: LabelStudioClient,
    ls_project_id: int,
    version: ModelVersionRecord,
    codec: RegionCodec,
    progress: Progress,
) -> int:
    with workspace.reading() as session:
        waiting = unpushed_predictions(session, ls_project_id, version.id)
    for start in range(0, len(waiting), PREDICTIONS_AT_ONCE):
        progress(start, len(waiting), "predictions")
        batch = waiting[start : start + PREDICTIONS_AT_ONCE]
        client.predictions.import_rows(ls_project_id, [_row(codec, version, one) for one in batch])
        with workspace.writing() as session:
            for one in batch:
                mark_pushed(session, one.prediction, one.task, None)
    if waiting:
        client.projects.update(ls_project_id, model_version=version.name)
        _forget_older(workspace, client, ls_project_id, version)
    progress(len(waiting), len(waiting))
    return len(waiting)


def _forget_older(
    workspace: Workspace, client: LabelStudioClient, ls_project_id: int, version: ModelVersionRecord
) -> None:
    """Take our earlier versions off the page: one version is shown, served and scored. The catalog keeps all."""
    ours = set(model_version_names(workspace)) - {version.name}
    for name in ours & client.predictions.versions(ls_project_id).keys():
        client.predictions.delete_version(ls_project_id, name)


def _row(codec: RegionCodec, version: ModelVersionRecord, one: UnpushedPrediction) -> PredictionRow:
    return PredictionRow(
        task_id=one.task.ls_task_id,
        model_version=version.name,
        score=one.prediction.score,
        result=codec.encode(one.prediction),
    )

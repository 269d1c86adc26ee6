"""Experts' annotations → corrections, all of them: pulled from Label Studio."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial

from matcurate.catalog.corrections import list_corrections
from matcurate.errors import (
    CurateError,
    LabelStudioAuthError,
    LabelStudioNotFoundError,
    LabelStudioUnreachableError,
)
from matcurate.labelstudio.client import LabelStudioClient
from matcurate.labelstudio.records import TaskRef
from matcurate.types import Progress, silent
from matcurate.workflows.home import Workspace, after_corrections
from matcurate.workflows.labelling.corrections import Intake, SyncReport

log = logging.getLogger(__name__)


def pull_corrections(
    workspace: Workspace, client: LabelStudioClient, since: datetime | None = None, progress: Progress = silent
) -> SyncReport:
    """Pull all annotations of the connected project; what an expert deleted there is retracted.

    A task that is gone with its annotations is only tidied away: its corrections stay. Webhooks get lost (Label
    Studio neither repeats nor reports them), so this makes the catalog right again; doing it twice changes nothing.
    Corrections that are new ask for a training.

    Parameters
    ----------
    workspace : Workspace
        The open installation.
    client : LabelStudioClient
        Label Studio.
    since : datetime, optional
        Leave out annotations that have not changed since; without a time zone it is UTC.
    progress : Progress
        Called once a task.
    """
    moment = since.replace(tzinfo=UTC) if since is not None and since.tzinfo is None else since
    intake, report = Intake.open(workspace, client), SyncReport()
    known = _known_annotations(intake)
    present_tasks = list(client.tasks.of_project(intake.ls_project_id))
    tasks = [task for task in present_tasks if _worth_asking(task, known, moment)]
    for index, task in enumerate(tasks):
        progress(index, len(tasks), f"task {task.id}")
        _sync_task(intake, report, task, known.pop(task.id, set()))
    for task_id in known.keys() - {task.id for task in present_tasks}:
        intake.forget_task(task_id)
    progress(len(tasks), len(tasks))
    if report.changed:
        after_corrections(workspace)
    return report


def _sync_task(intake: Intake, report: SyncReport, task: TaskRef, known: set[int]) -> None:
    """Take in a task's annotations, and retract those of ``known`` that are gone."""
    try:
        present = intake.client.annotations.of_task(task.id)
    except LabelStudioNotFoundError:  # deleted since the tasks were listed
        intake.forget_task(task.id)
        return
    for annotation in present:
        _attempt(report, partial(intake.take, annotation, task.data))
    for gone in known - {annotation.id for annotation in present}:
        _attempt(report, partial(intake.by_id, gone))


def _known_annotations(intake: Intake) -> dict[int, set[int]]:
    """Annotations that the catalog has, by their task."""
    with intake.workspace.reading() as session:
        corrections = list_corrections(session, intake.project.id, include_skipped=True)
    known: dict[int, set[int]] = {}
    for correction in corrections:
        if correction.ls_project_id == intake.ls_project_id:
            known.setdefault(correction.ls_task_id, set()).add(correction.ls_annotation_id)
    return known


def _worth_asking(task: TaskRef, known: Mapping[int, set[int]], since: datetime | None) -> bool:
    """Whether a task has, or had, annotations and has changed since."""
    return (task.annotations + task.skipped > 0 or task.id in known) and (since is None or task.updated_at >= since)


def _attempt(report: SyncReport, take: Callable[[], str]) -> None:
    """Count what one annotation comes to; one that cannot be taken in does not stop the rest."""
    try:
        report.outcomes[take()] += 1
    except (LabelStudioUnreachableError, LabelStudioAuthError):
        raise
    except CurateError as error:
        log.warning("%s", error)
        report.failed.append(str(error))

"""Expert annotations → corrections. Label Studio is asked for the truth; webhooks only say where to look."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from matcurate.catalog.corrections import correction_of, list_corrections, record_correction, retract_correction
from matcurate.catalog.events import claim, count_pending, enqueue, mark_failed, mark_handled
from matcurate.catalog.model_versions import version_named
from matcurate.catalog.predictions import mark_pushed, prediction_for, pushed_as
from matcurate.catalog.records import (
    EventRecord,
    MicrographRecord,
    NewCorrection,
    Outcome,
    PredictionRecord,
    ProjectRecord,
    TaskLink,
)
from matcurate.catalog.tasks import mark_gone
from matcurate.errors import (
    CurateError,
    LabelStudioAuthError,
    LabelStudioNotFoundError,
    LabelStudioUnreachableError,
)
from matcurate.labelstudio.annotations import decode_annotation
from matcurate.labelstudio.client import LabelStudioClient
from matcurate.labelstudio.config import LabellingConfig, parse_labelling_config
from matcurate.labelstudio.records import AnnotationRecord, TaskRef
from matcurate.types import Progress, silent
from matcurate.workflows.presegment import put_labels
from matcurate.workflows.tasks import TaskQuestion, task_micrograph
from matcurate.workflows.workspace import Workspace, connected_project_id

log = logging.getLogger(__name__)

RETRACTED = "retracted"
OUTCOMES = ("added", "updated", "unchanged", "stale", RETRACTED)
ANNOTATION_ACTIONS = frozenset(
    {"ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_CREATED", "ANNOTATIONS_DELETED"}
)
RETRY_AFTER = timedelta(seconds=20)


@dataclass
class SyncReport:
    """How many corrections were added, updated …, and one line for each annotation that could not be taken in."""

    outcomes: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(OUTCOMES, 0)))
    failed: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes annotations of one Label Studio project into the catalog."""

    workspace: Workspace
    client: LabelStudioClient
    project: ProjectRecord
    ls_project_id: int
    config: LabellingConfig

    @classmethod
    def open(cls, workspace: Workspace, client: LabelStudioClient) -> Intake:
        """Read the connected project's labelling configuration.

        Raises
        ------
        ConfigError
            When it has labels that are no phases of the project.
        LabelStudioError
            When Label Studio or the project is gone, or refuses the token.
        """
        project, ls_project_id = workspace.project(), connected_project_id(workspace.settings)
        xml = client.projects.get(ls_project_id).label_config
        return cls(workspace, client, project, ls_project_id, parse_labelling_config(xml, project.phases))

    def by_id(self, annotation_id: int) -> str:
        """Ask for one annotation and take it in; one that is gone is retracted. Returns the outcome."""
        try:
            annotation = self.client.annotations.get(annotation_id)
        except LabelStudioNotFoundError:
            return self._gone(annotation_id)
        if annotation.project_id not in (None, self.ls_project_id):
            return Outcome.UNCHANGED
        return self.take(annotation, self.client.tasks.get(annotation.task_id).data)

    def forget_task(self, ls_task_id: int) -> None:
        """Note that a task is gone. Clearing tasks away takes no correction back."""
        with self.workspace.writing() as session:
            mark_gone(session, self.project.id, self.ls_project_id, ls_task_id)

    def _gone(self, annotation_id: int) -> str:
        """An annotation that is gone was taken back by its expert, unless its whole task is gone."""
        with self.workspace.reading() as session:
            known = correction_of(session, self.project.id, annotation_id)
        if known is None:
            return Outcome.UNCHANGED
        try:
            self.client.tasks.get(known.ls_task_id)
        except LabelStudioNotFoundError:
            self.forget_task(known.ls_task_id)
            return Outcome.UNCHANGED
        with self.workspace.writing() as session:
            retract_correction(session, self.project.id, annotation_id)
        return RETRACTED

    def take(self, annotation: AnnotationRecord, task_data: Mapping[str, object]) -> str:
        """Decode one annotation and record it. Returns the outcome.

        Raises
        ------
        AnnotationError
            When it cannot be decoded (unknown label, another image size); nothing is lost, Label Studio keeps it.
        """
        task = TaskQuestion(annotation.task_id, task_data)
        link, micrograph = task_micrograph(self.workspace, self.client, self.project, task, self.config.image_key)
        correction = self._decode(annotation, link, micrograph)
        with self.workspace.writing() as session:
            return record_correction(session, link, correction)

    def _decode(self, annotation: AnnotationRecord, link: TaskLink, micrograph: MicrographRecord) -> NewCorrection:
        raw = json.dumps(annotation.result, separators=(",", ":")).encode()
        phases_key = instances_key = ratios = None
        if not annotation.was_cancelled:
            where = f"annotation {annotation.id} of task {annotation.task_id}"
            decoded = decode_annotation(annotation.result, micrograph.shape, self.config, where=where)
            phases_key = put_labels(self.workspace, decoded.phases)
            if decoded.instances is not None:
                instances_key = put_labels(self.workspace, decoded.instances)
            given = zip(self.project.phases, decoded.ratios or (), strict=False)
            ratios = {name: ratio for name, ratio in given if ratio is not None} or None
        return NewCorrection(
            ls_annotation_id=annotation.id,
            result_key=self.workspace.objects.put(raw, ".json"),
            ls_created_at=annotation.created_at,
            ls_updated_at=annotation.updated_at,
            phases_key=phases_key,
            instances_key=instances_key,
            ratios=ratios,
            skipped=annotation.was_cancelled,
            annotator=None if annotation.completed_by is None else str(annotation.completed_by),
            lead_time=annotation.lead_time,
            parent_prediction_id=self._parent(annotation, link),
        )

    def _parent(self, annotation: AnnotationRecord, link: TaskLink) -> int | None:
        if annotation.parent_prediction is None:
            return None
        with self.workspace.reading() as session:
            known = pushed_as(session, link, annotation.parent_prediction)
        if known is None:
            known = self._learn_parent(annotation.parent_prediction, link)
        return None if known is None else known.id

    def _learn_parent(self, ls_prediction_id: int, link: TaskLink) -> PredictionRecord | None:
        """Find which of our predictions Label Studio calls by an id: it tells the id only afterwards."""
        stored = self.client.predictions.of_task(link.ls_task_id)
        name = next((p.model_version for p in stored if p.id == ls_prediction_id), None)
        with self.workspace.writing() as session:
            version = version_named(session, self.project.id, name) if name else None
            prediction = prediction_for(session, link.micrograph_id, version.id) if version else None
            if prediction is not None:
                mark_pushed(session, prediction, link, ls_prediction_id)
        return prediction


def sync(
    workspace: Workspace, client: LabelStudioClient, since: datetime | None = None, progress: Progress = silent
) -> SyncReport:
    """Pull all annotations of the connected project; what an expert deleted there is retracted.

    A task that is gone with its annotations is only tidied away: its corrections stay. Webhooks get lost (Label
    Studio neither repeats nor reports them), so this makes the catalog right again; doing it twice changes nothing.

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


def receive_event(workspace: Workspace, action: str, ls_project_id: int | None, annotation_ids: Sequence[int]) -> int:
    """Put a webhook into the inbox, one entry for each annotation; other actions ask nothing of us.

    Only ids are kept: what the annotation holds is pulled when the entry is handled.

    Returns
    -------
    int
        Entries made.
    """
    if action not in ANNOTATION_ACTIONS:
        return 0
    with workspace.writing() as session:
        for annotation_id in annotation_ids:
            enqueue(session, action, {}, ls_project_id=ls_project_id, ls_annotation_id=annotation_id)
    return len(annotation_ids)


def pending_events(workspace: Workspace) -> int:
    """Entries of the inbox that wait to be handled."""
    with workspace.reading() as session:
        return count_pending(session)


def drain_inbox(workspace: Workspace, client: LabelStudioClient) -> SyncReport:
    """Handle what waits in the inbox. An entry that fails waits for another try; its reason is kept.

    Raises
    ------
    LabelStudioError
        When Label Studio does not answer or refuses the token; the entries stay.
    """
    report = SyncReport()
    if not pending_events(workspace):
        return report
    intake = Intake.open(workspace, client)
    while True:
        with workspace.writing() as session:
            events = claim(session)
        if not events:
            return report
        for index, event in enumerate(events):
            try:
                _handle(intake, event, report)
            except LabelStudioUnreachableError as error:
                with workspace.writing() as session:
                    for waiting in events[index:]:
                        mark_failed(session, waiting, str(error), RETRY_AFTER, counted=False)
                raise


def _handle(intake: Intake, event: EventRecord, report: SyncReport) -> None:
    workspace = intake.workspace
    try:
        if event.ls_project_id in (None, intake.ls_project_id) and event.ls_annotation_id is not None:
            report.outcomes[intake.by_id(event.ls_annotation_id)] += 1
    except LabelStudioUnreachableError:
        raise
    except CurateError as error:
        refused = isinstance(error, LabelStudioAuthError)  # the token's fault, not the event's
        with workspace.writing() as session:
            mark_failed(session, event, str(error), RETRY_AFTER, counted=not refused)
        report.failed.append(str(error))
        log.warning("%s of annotation %s: %s", event.action, event.ls_annotation_id, error)
    else:
        with workspace.writing() as session:
            mark_handled(session, event.id)

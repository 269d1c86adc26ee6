"""Webhooks: stored at once, handled one by one; what they name is pulled from Label Studio."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from matcurate.catalog import EventRecord, add_events, count_pending, mark_handled, pending
from matcurate.errors import CurateError, LabelStudioAuthError, LabelStudioUnreachableError
from matcurate.labelstudio import LabelStudioClient
from matcurate.workflows.home import Workspace, after_corrections, enqueue
from matcurate.workflows.labelling.corrections import Intake, SyncReport

log = logging.getLogger(__name__)

ANNOTATION_ACTIONS = frozenset(
    {"ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_CREATED", "ANNOTATIONS_DELETED"}
)
START_TRAINING, PAGE = "START_TRAINING", "the page"
"""What Label Studio sends for its button, and who then has asked."""


def receive_webhook(
    workspace: Workspace, action: str, ls_project_id: int | None, annotation_ids: Sequence[int]
) -> None:
    """Store which annotations have changed, or ask for the training that the page's button calls for.

    Other actions ask nothing of us. Only ids are kept: what an annotation holds is pulled when it is handled.
    """
    if action == START_TRAINING and ls_project_id in (None, workspace.settings.label_studio.project_id):
        enqueue(workspace, "retrain", PAGE)
    elif action in ANNOTATION_ACTIONS:
        with workspace.writing() as session:
            add_events(session, action, ls_project_id, annotation_ids)


def pending_webhooks(workspace: Workspace) -> int:
    """Stored webhooks that wait to be handled."""
    with workspace.reading() as session:
        return count_pending(session)


def handle_webhooks(workspace: Workspace, client: LabelStudioClient) -> SyncReport:
    """Pull what the stored webhooks name, each annotation once; new corrections ask for a training.

    Two processes may do this at the same time: what is pulled twice changes nothing. A webhook that cannot be handled
    is kept with its reason; :func:`~matcurate.workflows.labelling.sync.pull_corrections` comes back to its annotation.

    Raises LabelStudioError when Label Studio does not answer or refuses the token; the webhooks then wait.
    """
    report, intake = SyncReport(), None
    try:
        while events := _pending(workspace):
            intake = intake or Intake.open(workspace, client)
            by_annotation: dict[tuple[int | None, int | None], list[int]] = {}
            for event in events:
                by_annotation.setdefault((event.ls_project_id, event.ls_annotation_id), []).append(event.id)
            for (ls_project_id, annotation_id), ids in by_annotation.items():
                error = None
                if ls_project_id in (None, intake.ls_project_id) and annotation_id is not None:
                    error = _pull(intake, annotation_id, report)
                with workspace.writing() as session:
                    mark_handled(session, ids, error)
    finally:
        if report.changed:
            after_corrections(workspace)
    return report


def _pending(workspace: Workspace) -> list[EventRecord]:
    with workspace.reading() as session:
        return pending(session)


def _pull(intake: Intake, annotation_id: int, report: SyncReport) -> str | None:
    """Take in one annotation; returns why that could not be done."""
    try:
        report.outcomes[intake.by_id(annotation_id)] += 1
    except (LabelStudioUnreachableError, LabelStudioAuthError):
        raise
    except CurateError as error:
        log.warning("annotation %s: %s", annotation_id, error)
        report.failed.append(str(error))
        return str(error)
    return None

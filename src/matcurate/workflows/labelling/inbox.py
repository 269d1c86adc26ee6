"""Webhooks: kept in the inbox at once, handled one by one; what they name is pulled from Label Studio."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta

from matcurate.catalog.events import EventRecord, claim, count_pending, enqueue, mark_failed, mark_handled
from matcurate.errors import (
    CurateError,
    LabelStudioAuthError,
    LabelStudioUnreachableError,
)
from matcurate.labelstudio.client import LabelStudioClient
from matcurate.workflows.home import Workspace, after_corrections
from matcurate.workflows.labelling.corrections import Intake, SyncReport

log = logging.getLogger(__name__)

ANNOTATION_ACTIONS = frozenset(
    {"ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_CREATED", "ANNOTATIONS_DELETED"}
)
RETRY_AFTER = timedelta(seconds=20)


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
    """Handle what waits in the inbox; corrections that are new ask for a training.

    An entry that fails waits for another try; its reason is kept.

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
            if report.changed:
                after_corrections(workspace)
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

"""One annotation → one correction, always read from Label Studio; webhooks only name it."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from matcurate.catalog.corrections import correction_of, record_correction, retract_correction
from matcurate.catalog.micrographs import set_ignores_bars
from matcurate.catalog.model_versions import version_named
from matcurate.catalog.predictions import mark_pushed, prediction_for, pushed_as
from matcurate.catalog.records import (
    MicrographRecord,
    NewCorrection,
    Outcome,
    PredictionRecord,
    ProjectRecord,
    TaskLink,
)
from matcurate.catalog.tasks import mark_gone
from matcurate.errors import AnnotationError, LabelStudioNotFoundError
from matcurate.labelstudio.annotations import decode_annotation
from matcurate.labelstudio.bars import bars_count
from matcurate.labelstudio.client import LabelStudioClient
from matcurate.labelstudio.config import LabellingConfig, parse_labelling_config
from matcurate.labelstudio.records import AnnotationRecord
from matcurate.workflows.home import Workspace, connected_project_id, put_labels
from matcurate.workflows.labelling.tasks import TaskQuestion, link_micrograph, task_micrograph

log = logging.getLogger(__name__)

RETRACTED = "retracted"
OUTCOMES = ("added", "updated", "unchanged", "stale", RETRACTED)


@dataclass
class SyncReport:
    """Counts of corrections added, updated …, and one line for each annotation that could not be stored."""

    outcomes: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(OUTCOMES, 0)))
    failed: list[str] = field(default_factory=list)

    @property
    def changed(self) -> int:
        """How many corrections are new, other than before, or retracted."""
        return sum(self.outcomes[outcome] for outcome in ("added", "updated", RETRACTED))


@dataclass(frozen=True, slots=True)
class Intake:
    """Stores annotations of one Label Studio project in the catalog."""

    workspace: Workspace
    client: LabelStudioClient
    project: ProjectRecord
    ls_project_id: int
    config: LabellingConfig

    @classmethod
    def open(cls, workspace: Workspace, client: LabelStudioClient) -> Intake:
        """Read the connected project's labelling configuration.

        Raises ConfigError when it has labels that are no phases of the project; LabelStudioError when Label Studio or
        the project is gone, or refuses the token.
        """
        project, ls_project_id = workspace.project(), connected_project_id(workspace.settings)
        xml = client.projects.get(ls_project_id).label_config
        return cls(workspace, client, project, ls_project_id, parse_labelling_config(xml, project.phases))

    def by_id(self, annotation_id: int) -> str:
        """Fetch one annotation and store it, or retract it when it is gone; returns the outcome."""
        try:
            annotation = self.client.annotations.get(annotation_id)
        except LabelStudioNotFoundError:
            return self._gone(annotation_id)
        if annotation.project_id not in (None, self.ls_project_id):
            return Outcome.UNCHANGED
        return self.take(annotation, self.client.tasks.get(annotation.task_id).data)

    def forget_task(self, ls_task_id: int) -> None:
        """Note that a task is gone; its corrections stay."""
        with self.workspace.writing() as session:
            mark_gone(session, self.project.id, self.ls_project_id, ls_task_id)

    def _gone(self, annotation_id: int) -> str:
        """Retract a deleted annotation, unless its whole task is gone."""
        with self.workspace.reading() as session:
            correction = correction_of(session, self.project.id, annotation_id)
        if correction is None:
            return Outcome.UNCHANGED
        try:
            self.client.tasks.get(correction.ls_task_id)
        except LabelStudioNotFoundError:
            self.forget_task(correction.ls_task_id)
            return Outcome.UNCHANGED
        with self.workspace.writing() as session:
            retract_correction(session, self.project.id, annotation_id)
        return RETRACTED

    def take(self, annotation: AnnotationRecord, task_data: Mapping[str, object]) -> str:
        """Decode one annotation and record it; returns the outcome.

        Raises AnnotationError when it cannot be decoded (unknown label, another image size, far outside the image) or
        covers no pixel; nothing is lost, Label Studio keeps it.
        """
        task = TaskQuestion(annotation.task_id, task_data)
        micrograph = task_micrograph(self.workspace, self.client, self.project, task, self.config.image_key)
        link = link_micrograph(self.workspace, self.project, task, micrograph)
        correction = self._decode(annotation, link, micrograph)
        with self.workspace.writing() as session:
            if not annotation.was_cancelled and bars_count(annotation.result):
                set_ignores_bars(session, micrograph.id, False)
            return record_correction(session, link, correction)

    def _decode(self, annotation: AnnotationRecord, link: TaskLink, micrograph: MicrographRecord) -> NewCorrection:
        raw = json.dumps(annotation.result, separators=(",", ":")).encode()
        phases_key = instances_key = ratios = None
        if not annotation.was_cancelled:
            where = f"annotation {annotation.id} of task {annotation.task_id}"
            decoded = decode_annotation(annotation.result, micrograph.shape, self.config, where=where)
            if decoded.objection is not None:
                raise AnnotationError(f"{where}, {decoded.objection}")
            if decoded.contested:
                log.warning("%s: %d pixels belong to two phases; the later region has them", where, decoded.contested)
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
            parent = pushed_as(session, link, annotation.parent_prediction)
        if parent is None:
            parent = self._learn_parent(annotation.parent_prediction, link)
        return None if parent is None else parent.id

    def _learn_parent(self, ls_prediction_id: int, link: TaskLink) -> PredictionRecord | None:
        """Find which of our predictions has an id that Label Studio has just made known."""
        stored = self.client.predictions.of_task(link.ls_task_id)
        name = next((p.model_version for p in stored if p.id == ls_prediction_id), None)
        with self.workspace.writing() as session:
            version = version_named(session, self.project.id, name) if name else None
            prediction = prediction_for(session, link.micrograph_id, version.id) if version else None
            if prediction is not None:
                mark_pushed(session, prediction, link, ls_prediction_id)
        return prediction

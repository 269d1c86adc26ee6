"""Annotations stored in Label Studio: the experts' answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from matcurate.labelstudio.connection import Resource, read
from matcurate.labelstudio.records import AnnotationRecord


class _Holder(BaseModel):
    annotations: list[AnnotationRecord]


class Annotations(Resource):
    """Annotations of the tasks of one Label Studio; skipped tasks have one with ``was_cancelled``."""

    def of_task(self, task_id: int) -> list[AnnotationRecord]:
        """Annotations of a task, skips included, oldest first."""
        # /api/tasks/N/annotations/ leaves out the skipped ones
        answer = self._connection.get(f"/api/tasks/{task_id}/", _Holder, include="annotations")
        return sorted(answer.annotations, key=lambda annotation: annotation.id)

    def get(self, annotation_id: int) -> AnnotationRecord:
        """One annotation; raises LabelStudioNotFoundError when it is gone."""
        return self._connection.get(f"/api/annotations/{annotation_id}/", AnnotationRecord)

    def create(
        self,
        task_id: int,
        result: Sequence[Mapping[str, object]],
        *,
        was_cancelled: bool = False,
        lead_time: float | None = None,
        parent_prediction: int | None = None,
    ) -> AnnotationRecord:
        """Store an annotation as the token's owner. ``lead_time`` is in seconds."""
        body = {
            "result": list(result),
            "was_cancelled": was_cancelled,
            "lead_time": lead_time,
            "parent_prediction": parent_prediction,
        }
        given = {name: value for name, value in body.items() if value is not None}
        response = self._connection.http.post(f"/api/tasks/{task_id}/annotations/", json=given)
        return read(response, AnnotationRecord)

    def update(self, annotation_id: int, result: Sequence[Mapping[str, object]]) -> AnnotationRecord:
        """Replace an annotation's regions."""
        response = self._connection.http.patch(f"/api/annotations/{annotation_id}/", json={"result": list(result)})
        return read(response, AnnotationRecord)

    def skip(self, task_id: int) -> AnnotationRecord:
        """Skip a task, as the page's button does."""
        return self.create(task_id, [], was_cancelled=True)

    def delete(self, annotation_id: int) -> None:
        """Delete an annotation; raises LabelStudioNotFoundError when it is gone."""
        self._connection.http.delete(f"/api/annotations/{annotation_id}/")

"""Predictions stored in Label Studio."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, RootModel

from matcurate.errors import LabelStudioError
from matcurate.labelstudio.config import labels_of_controls
from matcurate.labelstudio.connection import Resource, read
from matcurate.labelstudio.records import PredictionRecord, PredictionRow
from matcurate.types import Progress, silent

ROWS_PER_REQUEST = 20


class _Created(BaseModel):
    created: int


class _Holder(BaseModel):
    predictions: list[PredictionRecord]


class Predictions(Resource):
    """Predictions of the tasks of one Label Studio."""

    def import_rows(self, project_id: int, rows: Sequence[PredictionRow], *, progress: Progress = silent) -> int:
        """Store predictions and return their number.

        Raises LabelStudioError when fewer were stored: Label Studio drops, in silence, what does not fit the labelling
        configuration.
        """
        for start in range(0, len(rows), ROWS_PER_REQUEST):
            chunk = rows[start : start + ROWS_PER_REQUEST]
            self._import_chunk(project_id, chunk)
            progress(start + len(chunk), len(rows))
        return len(rows)

    def of_task(self, task_id: int) -> list[PredictionRecord]:
        """Predictions of a task with their regions, oldest first."""
        answer = self._connection.get(f"/api/tasks/{task_id}/", _Holder, include="predictions")
        return sorted(answer.predictions, key=lambda prediction: prediction.id)

    def rescore(self, prediction_id: int, score: float) -> None:
        """Change the score of a prediction; raises LabelStudioNotFoundError when it is gone."""
        self._connection.send("PATCH", f"/api/predictions/{prediction_id}/", {"score": score})

    def versions(self, project_id: int) -> dict[str, int]:
        """Number of predictions stored for each model version."""
        return self._connection.get(f"/api/projects/{project_id}/model-versions/", RootModel[dict[str, int]]).root

    def delete_version(self, project_id: int, model_version: str) -> int:
        """Delete all predictions of a model version; returns how many there were."""
        count = self.versions(project_id).get(model_version, 0)
        if count:
            self._connection.send(
                "DELETE", f"/api/projects/{project_id}/model-versions/", {"model_version": model_version}
            )
        return count

    def delete(self, prediction_id: int) -> None:
        """Delete one prediction."""
        self._connection.http.delete(f"/api/predictions/{prediction_id}/")

    def _import_chunk(self, project_id: int, rows: Sequence[PredictionRow]) -> None:
        body = [
            {"task": row.task_id, "result": row.result, "score": row.score, "model_version": row.model_version}
            for row in rows
        ]
        response = self._connection.http.post(f"/api/projects/{project_id}/import/predictions", json=body)
        created = read(response, _Created).created
        if created != len(rows):
            raise LabelStudioError(
                f"Label Studio stored {created} of {len(rows)} predictions sent to project {project_id}: "
                + self._reason(project_id, rows)
            )

    def _reason(self, project_id: int, rows: Sequence[PredictionRow]) -> str:
        """What in ``rows`` does not fit the project's labelling configuration."""
        xml = str(self._connection.sdk.projects.get(project_id).label_config or "")
        labels_of = labels_of_controls(xml)
        for row in rows:
            for region in row.result:
                control, kind, value = region["from_name"], region["type"], region["value"]
                labels = value.get(str(kind), []) if isinstance(value, dict) else []
                if str(control) not in labels_of:
                    return (
                        f"its labelling configuration has no control {control!r}; add it or run 'curate connect' again"
                    )
                for label in labels if isinstance(labels, list) else []:
                    if label not in labels_of[str(control)]:
                        offered = ", ".join(labels_of[str(control)]) or "none"
                        return f"control {control!r} has no label {label!r} (it has: {offered}); add it in Label Studio"
        return "they fit its labelling configuration; look at Label Studio's log"

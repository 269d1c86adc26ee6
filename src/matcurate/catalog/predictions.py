"""Pre-segmentations, and which of them Label Studio holds."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, exists
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from matcurate.catalog.columns import utc_now
from matcurate.catalog.conversion import all_values, one_value, to_row, to_value
from matcurate.catalog.insertion import insert_if_absent
from matcurate.catalog.records import NewPrediction, PredictionRecord, PushedPrediction, TaskLink, UnpushedPrediction
from matcurate.catalog.tables import LabelStudioTask, ModelVersion, Prediction, PredictionPush
from matcurate.errors import CatalogError


def store_prediction(session: Session, new: NewPrediction) -> tuple[PredictionRecord, bool]:
    """Store what a model version makes of a micrograph.

    A prediction is never changed: Label Studio may hold it, and corrections refer to it. Where there is one of this
    version already, that one is returned, and False.
    """
    added = insert_if_absent(session, to_row(Prediction, new), ["micrograph_id", "model_version_id"])
    stored = session.exec(_query(new.micrograph_id, new.model_version_id)).one()
    return to_value(PredictionRecord, stored), added


def get_prediction(session: Session, prediction_id: int) -> PredictionRecord:
    """Return the prediction of that id, or raise CatalogError."""
    row = session.get(Prediction, prediction_id)
    if row is None:
        raise CatalogError(f"no prediction {prediction_id} in the catalog; 'curate presegment' makes predictions")
    return to_value(PredictionRecord, row)


def prediction_for(session: Session, micrograph_id: int, model_version_id: int) -> PredictionRecord | None:
    """Return what a version made of a micrograph, None when it has not seen it."""
    return one_value(session, PredictionRecord, _query(micrograph_id, model_version_id))


def latest_prediction(session: Session, project_id: int, micrograph_id: int) -> PredictionRecord | None:
    """Return the newest prediction of a micrograph by any version of the project, None when there is none."""
    query = (
        select(Prediction)
        .join(ModelVersion, col(ModelVersion.id) == Prediction.model_version_id)
        .where(Prediction.micrograph_id == micrograph_id, ModelVersion.project_id == project_id)
        .order_by(col(Prediction.id).desc())
        .limit(1)
    )
    return one_value(session, PredictionRecord, query)


def predicted_micrographs(session: Session, project_id: int) -> set[int]:
    """Micrographs that any version of a project has predicted."""
    query = (
        select(Prediction.micrograph_id)
        .join(ModelVersion, col(ModelVersion.id) == Prediction.model_version_id)
        .where(ModelVersion.project_id == project_id)
    )
    return set(session.exec(query.distinct()))


def list_predictions(session: Session, model_version_id: int) -> list[PredictionRecord]:
    """All predictions of a version, oldest first."""
    query = select(Prediction).where(Prediction.model_version_id == model_version_id).order_by(col(Prediction.id))
    return all_values(session, PredictionRecord, query)


def mark_pushed(session: Session, prediction: PredictionRecord, task: TaskLink, ls_prediction_id: int | None) -> None:
    """Note that Label Studio holds a prediction on a task; the newest id it gave counts.

    ``ls_prediction_id`` is None where Label Studio gave none, as in its bulk import. Raises CatalogError when the task
    shows another micrograph than the prediction's.
    """
    if prediction.micrograph_id != task.micrograph_id:
        raise CatalogError(
            f"prediction {prediction.id} is of micrograph {prediction.micrograph_id}, "
            f"but task {task.ls_task_id} shows micrograph {task.micrograph_id}; run 'curate push' again"
        )
    new = PredictionPush(
        prediction_id=prediction.id,
        task_id=task.id,
        micrograph_id=prediction.micrograph_id,
        ls_prediction_id=ls_prediction_id,
    )
    if insert_if_absent(session, new, ["prediction_id", "task_id"]) or ls_prediction_id is None:
        return
    row = session.exec(
        select(PredictionPush)
        .where(PredictionPush.prediction_id == prediction.id, PredictionPush.task_id == task.id)
        .with_for_update()
    ).one()
    if row.ls_prediction_id != ls_prediction_id:
        row.ls_prediction_id = ls_prediction_id
        row.pushed_at = utc_now()
        session.flush()


def forget_pushes(session: Session, predictions: Sequence[PredictionRecord], task: TaskLink) -> None:
    """Note that a task no longer holds these predictions (deleted in Label Studio): they can be pushed again."""
    ids = [prediction.id for prediction in predictions]
    session.exec(
        delete(PredictionPush).where(col(PredictionPush.task_id) == task.id, col(PredictionPush.prediction_id).in_(ids))
    )


def pushed_as(session: Session, task: TaskLink, ls_prediction_id: int) -> PredictionRecord | None:
    """Return the prediction that Label Studio knows by that id on that task, None when it is not ours."""
    query = (
        select(Prediction)
        .join(PredictionPush, col(PredictionPush.prediction_id) == Prediction.id)
        .where(PredictionPush.task_id == task.id, PredictionPush.ls_prediction_id == ls_prediction_id)
    )
    return one_value(session, PredictionRecord, query)


def unpushed_predictions(session: Session, ls_project_id: int, model_version_id: int) -> list[UnpushedPrediction]:
    """Predictions of a version that are not yet on the tasks of their micrographs, in the order of the tasks."""
    query = (
        select(Prediction, LabelStudioTask)
        .join(ModelVersion, col(ModelVersion.id) == Prediction.model_version_id)
        .join(LabelStudioTask, col(LabelStudioTask.micrograph_id) == Prediction.micrograph_id)
        .where(
            Prediction.model_version_id == model_version_id,
            LabelStudioTask.project_id == ModelVersion.project_id,
            LabelStudioTask.ls_project_id == ls_project_id,
            col(LabelStudioTask.gone_at).is_(None),
            ~exists().where(
                col(PredictionPush.prediction_id) == Prediction.id, col(PredictionPush.task_id) == LabelStudioTask.id
            ),
        )
        .order_by(col(LabelStudioTask.ls_task_id))
    )
    return [
        UnpushedPrediction(to_value(PredictionRecord, row), to_value(TaskLink, task))
        for row, task in session.exec(query)
    ]


def pushed_predictions(session: Session, ls_project_id: int, model_version_id: int) -> list[PushedPrediction]:
    """Predictions of a version that a Label Studio project holds on tasks that are there, in the order of the tasks."""
    query = (
        select(Prediction, LabelStudioTask, PredictionPush.ls_prediction_id)
        .join(PredictionPush, col(PredictionPush.prediction_id) == Prediction.id)
        .join(LabelStudioTask, col(LabelStudioTask.id) == PredictionPush.task_id)
        .where(
            Prediction.model_version_id == model_version_id,
            LabelStudioTask.ls_project_id == ls_project_id,
            col(LabelStudioTask.gone_at).is_(None),
        )
        .order_by(col(LabelStudioTask.ls_task_id))
    )
    return [
        PushedPrediction(to_value(PredictionRecord, row), to_value(TaskLink, task), ls_prediction_id)
        for row, task, ls_prediction_id in session.exec(query)
    ]


def _query(micrograph_id: int, model_version_id: int) -> SelectOfScalar[Prediction]:
    return select(Prediction).where(
        Prediction.micrograph_id == micrograph_id, Prediction.model_version_id == model_version_id
    )

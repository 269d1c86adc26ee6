"""What Label Studio answers, as frozen values; no SDK object leaves this package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, model_validator

Result = list[dict[str, JsonValue]]
"""Regions of an annotation or prediction as Label Studio stores them."""
Sampling = Literal["Sequential sampling", "Uniform sampling", "Uncertainty sampling"]


@dataclass(frozen=True, slots=True)
class ImageUpload:
    """An image to become a task: a PNG or JPEG; only the suffix of ``filename`` reaches Label Studio.

    ``data`` goes into the task's data beside ``image``; its ``micrograph``, by which tasks are told apart, is unique.
    """

    filename: str
    content: bytes
    data: dict[str, str]


@dataclass(frozen=True, slots=True)
class PredictionRow:
    """A prediction to store: its task, its regions, and its confidence in [0, 1]."""

    task_id: int
    result: Sequence[Mapping[str, object]]
    model_version: str
    score: float | None = None


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Account(_Stored):
    """The user that a token belongs to."""

    id: int
    email: str


class ProjectRecord(_Stored):
    """A Label Studio project."""

    id: int
    title: str
    label_config: str = ""
    model_version: str = ""
    sampling: str = ""
    tasks: int = Field(default=0, validation_alias="task_number")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, answer: dict[str, object]) -> dict[str, object]:
        return {name: value for name, value in answer.items() if value is not None}


class TaskRef(_Stored):
    """A task: its data, how much it holds, and when it or one of its annotations last changed.

    ``score`` is the mean of its predictions' by the model version that its project shows, None without such.
    """

    id: int
    data: dict[str, JsonValue]
    updated_at: datetime
    annotations: int = Field(default=0, validation_alias="total_annotations")
    skipped: int = Field(default=0, validation_alias="cancelled_annotations")
    predictions: int = Field(default=0, validation_alias="total_predictions")
    score: float | None = Field(default=None, validation_alias="predictions_score")


def _user_id(user: object) -> object:
    """Label Studio answers a user as an id here and as an object with an id there."""
    return user.get("id") if isinstance(user, dict) else user


class AnnotationRecord(_Stored):
    """An annotation with its regions. ``was_cancelled``: the annotator skipped the task."""

    id: int
    task_id: int = Field(validation_alias="task")
    project_id: int | None = Field(default=None, validation_alias="project")
    result: Result
    was_cancelled: bool = False
    created_at: datetime
    updated_at: datetime
    lead_time: float | None = None
    completed_by: Annotated[int | None, BeforeValidator(_user_id)] = None
    parent_prediction: int | None = None


class PredictionRecord(_Stored):
    """A stored prediction with its regions."""

    id: int
    task_id: int = Field(validation_alias="task")
    result: Result
    score: float | None = None
    model_version: str | None = None
    created_at: datetime


class BackendRecord(_Stored):
    """An ML backend connected to a project."""

    id: int
    url: str
    title: str = ""

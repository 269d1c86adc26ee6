"""Request and response bodies, as Label Studio sends and expects them. Unknown fields are ignored."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class SetupRequest(BaseModel):
    """Body of ``POST /setup``. The access token in it is never used: we have our own."""

    project: str
    label_config: str = Field(default="", alias="schema")
    hostname: str = ""


class SetupResponse(BaseModel):
    """The version that Label Studio compares stored predictions with."""

    model_version: str


class TaskPayload(BaseModel):
    """One task of ``POST /predict``."""

    id: int
    data: dict[str, Any]


class PredictRequest(BaseModel):
    """Body of ``POST /predict``."""

    tasks: list[TaskPayload]
    project: str = ""
    label_config: str = ""


class PredictionPayload(BaseModel):
    """One prediction; ``result`` holds Label Studio's regions."""

    model_version: str
    score: float = Field(ge=0, le=1)
    result: list[dict[str, Any]]


class PredictResponse(BaseModel):
    """One prediction for each task, in the order asked."""

    results: list[PredictionPayload]


class Identified(BaseModel):
    """Anything that Label Studio names by id."""

    id: int


class AnnotationPayload(Identified):
    """An annotation in a webhook; only its ids are used, the rest is pulled."""

    task: int | None = None


class WebhookRequest(BaseModel):
    """Body of ``POST /webhook``."""

    action: str
    project: Identified | None = None
    annotation: AnnotationPayload | None = None
    annotations: list[AnnotationPayload] = []


class WebhookResponse(BaseModel):
    """Acknowledgement; the work is in the inbox."""

    status: str = "accepted"


class HealthResponse(BaseModel):
    """Answer of ``GET /`` and ``GET /health``."""

    status: str = "UP"
    model_class: str = "MatSAM"
    model_version: str
    project: str


class VersionsResponse(BaseModel):
    """Versions the backend knows, newest first."""

    versions: list[str]

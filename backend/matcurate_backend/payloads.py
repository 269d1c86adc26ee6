"""Request and response bodies, as Label Studio sends and expects them. Unknown fields are ignored."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

DatabaseId = Annotated[int, Field(ge=0, lt=2**63)]
"""An id of Label Studio; larger numbers fit into no database."""


class SetupRequest(BaseModel):
    """Body of ``POST /setup``. The access token in it is never used: we have our own."""

    project: str
    label_config: str = Field(alias="schema")
    hostname: str = ""


class SetupResponse(BaseModel):
    """The version that Label Studio compares stored predictions with."""

    model_version: str


class DraftPayload(BaseModel):
    """What an expert has begun on a task and not submitted."""

    result: list[Any] = []
    updated_at: str = ""


class TaskPayload(BaseModel):
    """One task of ``POST /predict``."""

    id: DatabaseId
    data: dict[str, Any]
    drafts: list[DraftPayload] = []


class PredictParams(BaseModel):
    """What comes with a question; ``context`` is what an expert has on the page, null when a task is merely opened."""

    context: dict[str, Any] | None = None


class PredictRequest(BaseModel):
    """Body of ``POST /predict``."""

    tasks: list[TaskPayload]
    project: str = ""
    label_config: str = ""
    params: PredictParams | None = None


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

    id: DatabaseId


def _as_list(value: object) -> object:
    """Label Studio sends ``annotation`` as one object, for ANNOTATIONS_CREATED as a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


OneOrMore = Annotated[list[Identified], BeforeValidator(_as_list)]


class WebhookRequest(BaseModel):
    """Body of ``POST /webhook``. Only ids are used: what an annotation holds is pulled."""

    action: str
    project: Identified | None = None
    annotation: OneOrMore = []
    annotations: OneOrMore = []

    @property
    def annotation_ids(self) -> list[int]:
        """Ids of the annotations it is about, each once."""
        return list(dict.fromkeys(one.id for one in (*self.annotation, *self.annotations)))


class WebhookResponse(BaseModel):
    """Acknowledgement; what it names is pulled afterwards."""

    status: str = "accepted"


class HealthResponse(BaseModel):
    """Answer of ``GET /`` and ``GET /health``; class and version are null while the model is still to be loaded."""

    status: str = "UP"
    model_class: str | None
    model_version: str | None
    project: str


class VersionsResponse(BaseModel):
    """Versions the backend knows, newest first."""

    versions: list[str]

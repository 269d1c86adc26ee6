"""What Label Studio calls. Routes translate; workflows do the work."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from matcurate.workflows.labelling import Draft, TaskQuestion
from matcurate_backend.background import BackgroundThread
from matcurate_backend.payloads import (
    HealthResponse,
    PredictionPayload,
    PredictRequest,
    PredictResponse,
    SetupRequest,
    SetupResponse,
    VersionsResponse,
    WebhookRequest,
    WebhookResponse,
)
from matcurate_backend.security import require_basic, require_webhook_secret
from matcurate_backend.state import BackendState, LiveState

router = APIRouter()


def backend_state(request: Request) -> BackendState:
    """The running backend's parts."""
    live: LiveState = request.app.state.live
    return live.current()


State = Annotated[BackendState, Depends(backend_state)]


@router.get("/")
@router.get("/health")
def health(state: State) -> HealthResponse:
    """Say that the backend is up, and with which model version; Label Studio waits one second at most."""
    held, project = state.serving.held, state.settings.project
    if held is None:
        return HealthResponse(model_class=None, model_version=None, project=project)
    return HealthResponse(model_class=held.method, model_version=held.version, project=project)


@router.post("/setup", dependencies=[Depends(require_basic)])
def setup(request: SetupRequest, state: State) -> SetupResponse:
    """Answer with the model version; Label Studio skips tasks that have its prediction already."""
    state.check_config(request.label_config)
    return SetupResponse(model_version=state.model_version)


@router.post("/predict", dependencies=[Depends(require_basic)])
def predict(request: PredictRequest, state: State) -> PredictResponse:
    """Predict every task, in the order asked; with the ratios that an expert has on the page."""
    tasks = [
        TaskQuestion(task.id, task.data, tuple(Draft(each.result, each.updated_at) for each in task.drafts))
        for task in request.tasks
    ]
    context = None if request.params is None else request.params.context
    answers = state.answer(tasks, request.label_config, context)
    return PredictResponse(
        results=[
            PredictionPayload(model_version=a.model_version, score=a.score, result=list(a.regions)) for a in answers
        ]
    )


@router.post("/webhook", dependencies=[Depends(require_webhook_secret)])
def webhook(request: WebhookRequest, call: Request, state: State) -> WebhookResponse:
    """Put the event into the inbox, or the training among the jobs, and answer at once.

    Label Studio waits one second at most.
    """
    state.receive(request.action, request.project.id if request.project else None, request.annotation_ids)
    inbox: BackgroundThread = call.app.state.inbox
    inbox.wake()
    return WebhookResponse()


@router.get("/versions", dependencies=[Depends(require_basic)])
def versions(state: State) -> VersionsResponse:
    """List the model versions of the project, newest first."""
    return VersionsResponse(versions=state.known_versions())


@router.get("/metrics")
def metrics(state: State) -> Response:
    """Prometheus text."""
    return Response(state.metrics.render(), media_type="text/plain; version=0.0.4")

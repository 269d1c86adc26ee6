"""The backend's application: state, routes, and the one place where errors become HTTP codes."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from matcurate import __version__
from matcurate.config import Settings, load_settings
from matcurate.errors import (
    AnnotationError,
    CatalogError,
    ConfigError,
    CurateError,
    LabelStudioAuthError,
    LabelStudioNotFoundError,
    LabelStudioUnreachableError,
)
from matcurate_backend.background import BackgroundThread
from matcurate_backend.metrics import Metrics
from matcurate_backend.routes import router
from matcurate_backend.state import LiveState

HTTP_CODES: dict[type[CurateError], int] = {
    LabelStudioUnreachableError: 503,
    LabelStudioAuthError: 502,
    LabelStudioNotFoundError: 404,
    AnnotationError: 422,
    CatalogError: 409,
    ConfigError: 409,
}

FOLLOW_SECONDS = 5.0
"""How soon a champion serves that was promoted anywhere."""

log = logging.getLogger(__name__)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the backend of an installation.

    Parameters
    ----------
    settings : Settings, optional
        Default: those of ``$CURATE_HOME``.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.live = LiveState(settings or load_settings(), Metrics())
        try:
            log.info("serving %s", app.state.live.current().model_version)  # loads the model before the first call
        except CurateError as error:
            log.error("not ready: %s", error)  # tried again with each call that needs the model
        app.state.webhooks = BackgroundThread("webhooks", app.state.live.drain)
        following = BackgroundThread("champion", app.state.live.follow, FOLLOW_SECONDS)
        for thread in (app.state.webhooks, following):
            thread.wake()
        yield
        for thread in (app.state.webhooks, following):
            thread.stop()

    app = FastAPI(title="matcurate backend", version=__version__, lifespan=lifespan)
    app.include_router(router)
    app.add_exception_handler(CurateError, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_body)
    return app


async def _refuse(request: Request, error: Exception) -> JSONResponse:
    code = next((code for kind, code in HTTP_CODES.items() if isinstance(error, kind)), 500)
    log.error("%s %s: %s", request.method, request.url.path, error)
    return JSONResponse({"detail": str(error)}, status_code=code)


async def _refuse_body(request: Request, error: Exception) -> JSONResponse:
    """Say where a body is wrong, without its values: JSON cannot hold a NaN that was sent."""
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    detail = [{key: problem[key] for key in ("type", "loc", "msg")} for problem in problems]
    return JSONResponse({"detail": detail}, status_code=422)

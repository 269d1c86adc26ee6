"""Who may call: basic credentials, or for webhooks the secret header that ``curate connect`` registers."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import Depends, HTTPException, Request, status
from fastapi.security import HTTPBasic, HTTPBasicCredentials

from matcurate.config import BackendSettings
from matcurate.workflows.labelling import WEBHOOK_SECRET_HEADER
from matcurate_backend.state import LiveState

_basic = HTTPBasic(auto_error=False)
BasicCredentials = Annotated[HTTPBasicCredentials | None, Depends(_basic)]


def _settings(request: Request) -> BackendSettings:
    live: LiveState = request.app.state.live
    return live.current().settings.backend


def _same(given: str, expected: str) -> bool:
    return secrets.compare_digest(given.encode(), expected.encode())


def _basic_ok(settings: BackendSettings, credentials: HTTPBasicCredentials | None) -> bool:
    if settings.username is None or settings.password is None:
        return True
    if credentials is None:
        return False
    user_ok = _same(credentials.username, settings.username)
    return _same(credentials.password, settings.password.get_secret_value()) and user_ok


def _refuse() -> HTTPException:
    return HTTPException(
        status.HTTP_401_UNAUTHORIZED, "missing or wrong credentials", headers={"WWW-Authenticate": "Basic"}
    )


def require_basic(request: Request, credentials: BasicCredentials) -> None:
    """Refuse with 401 unless the basic credentials are right (or none are set)."""
    if not _basic_ok(_settings(request), credentials):
        raise _refuse()


def require_webhook_secret(request: Request, credentials: BasicCredentials) -> None:
    """Refuse with 401 unless the secret header or the basic credentials are right.

    Label Studio sends annotation events with the header, and START_TRAINING with the credentials.
    """
    settings = _settings(request)
    if settings.webhook_secret is not None:
        given = request.headers.get(WEBHOOK_SECRET_HEADER)
        if given is not None and _same(given, settings.webhook_secret.get_secret_value()):
            return
        if settings.username is None or credentials is None:
            raise _refuse()
    if not _basic_ok(settings, credentials):
        raise _refuse()

"""Check at once whether an MLflow store exists; MLflow's own client takes seconds to import and to give up."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import httpx

SQLITE = "sqlite:///"
SECONDS = 3.0
"""Seconds after which a server counts as silent."""

State = Literal["there", "absent", "silent"]


def state_of(tracking_uri: str) -> State:
    """Say whether a store is there; ``absent``.

    A local file not yet made, ``silent``: a server that does not answer.
    """
    if tracking_uri.startswith(SQLITE):
        return "there" if Path(tracking_uri.removeprefix(SQLITE)).exists() else "absent"
    if not tracking_uri.startswith(("http://", "https://")):
        return "there"
    try:
        httpx.get(tracking_uri, timeout=SECONDS)
    except httpx.TransportError:
        return "silent"
    return "there"

"""The queue: huey on SQLite, Redis or PostgreSQL. It carries job ids, as JSON: nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from huey import Huey
from huey.exceptions import ConfigurationError
from huey.registry import Message
from huey.serializer import Serializer
from huey.storage import PostgresStorage, RedisStorage, SqliteStorage

from matcurate.config import Settings
from matcurate.errors import ConfigError


def queue_name(settings: Settings) -> str:
    """One queue for each catalog: job ids of two installations on one Redis must not meet."""
    return f"matcurate-{hashlib.sha256(settings.resolved_database_url.encode()).hexdigest()[:12]}"


class JsonSerializer(Serializer):  # type: ignore[misc]
    """Messages as JSON. huey's own serializer unpickles: whoever can write to the queue could run code."""

    def _serialize(self, data: Any) -> bytes:  # noqa: ANN401
        return json.dumps(data._asdict() if isinstance(data, Message) else data).encode()

    def _deserialize(self, data: bytes) -> Any:  # noqa: ANN401
        found = json.loads(data)
        return Message(**found) if isinstance(found, dict) and "name" in found else found


def open_queue(settings: Settings) -> Huey:
    """Open the queue that the settings name, SQLite in the home by default.

    Raises
    ------
    ConfigError
        When the address is of another kind, or its package is missing.
    """
    name, url = queue_name(settings), settings.worker.queue_url
    options: dict[str, Any] = {"results": False, "serializer": JsonSerializer()}
    try:
        if url is None:
            settings.home.mkdir(parents=True, exist_ok=True)
            file = str((settings.home / "queue.db").absolute())
            return Huey(name, storage_class=SqliteStorage, filename=file, **options)
        if url.startswith(("redis://", "rediss://")):
            return Huey(name, storage_class=RedisStorage, url=url, **options)
        if url.startswith(("postgresql://", "postgres://")):
            return Huey(name, storage_class=PostgresStorage, dsn=url, **options)
    except ConfigurationError as error:
        extra = "redis" if url and url.startswith("redis") else "postgres"
        raise ConfigError(f"the queue needs a package: pip install 'matcurate[{extra}]'") from error
    raise ConfigError("worker.queue_url is redis://HOST:PORT/N or postgresql://USER@HOST/NAME; leave it out for SQLite")

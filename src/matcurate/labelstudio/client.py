"""One Label Studio, for the workflows."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from matcurate.labelstudio.answers import Annotations
from matcurate.labelstudio.backends import Backends
from matcurate.labelstudio.connection import Connection
from matcurate.labelstudio.images import MAX_IMAGE_BYTES, fetch_image
from matcurate.labelstudio.predictions import Predictions
from matcurate.labelstudio.projects import Projects
from matcurate.labelstudio.records import Account
from matcurate.labelstudio.tasks import Tasks


class LabelStudioClient:
    """Projects, tasks, predictions, annotations and backends of one Label Studio.

    ``token`` is a legacy token (40 hex digits) or a personal access token; ``token_source`` names its origin in
    messages.
    """

    def __init__(self, url: str, token: str, *, token_source: str = "the token file") -> None:
        self._connection = Connection(url.rstrip("/"), token, token_source)
        self.url = self._connection.url
        self.projects = Projects(self._connection)
        self.tasks = Tasks(self._connection)
        self.predictions = Predictions(self._connection)
        self.annotations = Annotations(self._connection)
        self.backends = Backends(self._connection)

    def whoami(self) -> Account:
        """Check address and token; each has an error of its own."""
        return self._connection.get("/api/current-user/whoami", Account)

    def fetch_image(self, address: str, *, max_bytes: int = MAX_IMAGE_BYTES) -> bytes:
        """Fetch a task's image; see :func:`matcurate.labelstudio.images.fetch_image`."""
        return fetch_image(self._connection, address, max_bytes=max_bytes)

    def close(self) -> None:
        """Close open connections."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

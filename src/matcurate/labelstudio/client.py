"""One Label Studio, for the workflows."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from pydantic import BaseModel

from matcurate.labelstudio.answers import Annotations
from matcurate.labelstudio.backends import Backends
from matcurate.labelstudio.connection import Connection
from matcurate.labelstudio.images import MAX_IMAGE_BYTES, fetch_image
from matcurate.labelstudio.predictions import Predictions
from matcurate.labelstudio.projects import Projects
from matcurate.labelstudio.records import Account
from matcurate.labelstudio.tasks import Tasks


class _WhoAmI(BaseModel):
    id: int
    email: str


class LabelStudioClient:
    """Projects, tasks, predictions, annotations and backends of one Label Studio.

    Parameters
    ----------
    url : str
        Address, with or without a trailing slash.
    token : str
        Legacy token (40 hex digits) or personal access token; see Label Studio's account page.
    token_source : str
        Where the token comes from, for messages.
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
        """Check address and token at once; raises the errors that say which of them is wrong."""
        found = self._connection.get("/api/current-user/whoami", _WhoAmI)
        return Account(found.id, found.email)

    def fetch_image(self, address: str, *, max_bytes: int = MAX_IMAGE_BYTES) -> bytes:
        """Bytes of a task's image; see :func:`matcurate.labelstudio.images.fetch_image`."""
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

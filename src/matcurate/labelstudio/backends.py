"""ML backends of a project and the webhooks that tell them about corrections."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, RootModel

from matcurate.errors import LabelStudioError
from matcurate.labelstudio.connection import Resource
from matcurate.labelstudio.records import BackendRecord

SECRET_HEADER = "X-Matcurate-Secret"
ACTIONS = (
    "ANNOTATION_CREATED",
    "ANNOTATIONS_CREATED",
    "ANNOTATION_UPDATED",
    "ANNOTATIONS_DELETED",
)


class _Webhook(BaseModel):
    id: int
    url: str
    project: int | None = None
    headers: dict[str, str] = {}


class Backends(Resource):
    """Connections from Label Studio's projects to ML backends."""

    def of_project(self, project_id: int) -> list[BackendRecord]:
        """Backends of a project."""
        return self._connection.get("/api/ml/", RootModel[list[BackendRecord]], project=project_id).root

    def connect(
        self,
        project_id: int,
        url: str,
        title: str,
        *,
        username: str | None = None,
        password: str | None = None,
        webhook_secret: str | None = None,
    ) -> int:
        """Connect a backend, or bring an existing connection to the same address up to date.

        Label Studio checks that the backend answers /health and /setup, and registers a webhook of its own
        without any secret; that one is replaced by ours, for annotations only, with the secret in the header
        ``X-Matcurate-Secret``. It also sets the project's model version to ``title``; set it to the predictions'
        version with :meth:`matcurate.labelstudio.projects.Projects.update`. The connection is interactive, so that an
        expert can ask again with what is on the page; without that Label Studio does not pass questions on.
        Returns the connection's id.
        """
        address = url.rstrip("/")
        settings: dict[str, Any] = {"project": project_id, "url": address, "title": title, "is_interactive": True}
        if username is not None and password is not None:
            settings |= {"auth_method": "BASIC_AUTH", "basic_auth_user": username, "basic_auth_pass": password}
        same = [backend for backend in self.of_project(project_id) if backend.url.rstrip("/") == address]
        for extra in same[1:]:
            self._connection.sdk.ml.delete(extra.id)
        ml_id = same[0].id if same else self._create(project_id, settings)
        if same:
            self._connection.sdk.ml.update(ml_id, **settings)
        self._set_webhook(project_id, address, webhook_secret)
        return ml_id

    def disconnect(self, project_id: int, url: str) -> int:
        """Remove a backend's connections and webhooks; returns how many connections there were."""
        address = url.rstrip("/")
        same = [backend for backend in self.of_project(project_id) if backend.url.rstrip("/") == address]
        for backend in same:
            self._connection.sdk.ml.delete(backend.id)
        for webhook in self._webhooks(project_id, address):
            self._connection.sdk.webhooks.delete(webhook.id)
        return len(same)

    def _create(self, project_id: int, settings: dict[str, Any]) -> int:
        before = {backend.id for backend in self.of_project(project_id)}
        try:
            return int(self._connection.sdk.ml.create(**settings).id)
        except LabelStudioError:
            # Label Studio leaves a refused backend behind, half made
            for backend in self.of_project(project_id):
                if backend.id not in before:
                    self._connection.sdk.ml.delete(backend.id)
            raise

    def _webhooks(self, project_id: int, address: str) -> list[_Webhook]:
        hooks = self._connection.get("/api/webhooks/", RootModel[list[_Webhook]], project=project_id).root
        return [hook for hook in hooks if hook.url == f"{address}/webhook" and hook.project == project_id]

    def _set_webhook(self, project_id: int, address: str, secret: str | None) -> None:
        for webhook in self._webhooks(project_id, address):
            self._connection.sdk.webhooks.delete(webhook.id)
        self._connection.sdk.webhooks.create(
            project=project_id,
            url=f"{address}/webhook",
            actions=list(ACTIONS),
            headers={SECRET_HEADER: secret} if secret else {},
            send_payload=True,
            send_for_all_actions=False,
            is_active=True,
        )

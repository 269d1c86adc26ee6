"""What a running backend holds: the open installation, one loaded model, one client."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from matcurate.config import Settings, load_settings
from matcurate.workflows.home import LabelStudioClient, Workspace, label_studio_client, open_workspace, queue_client
from matcurate.workflows.labelling import (
    TaskQuestion,
    handle_webhooks,
    pending_webhooks,
    pull_corrections,
    receive_webhook,
)
from matcurate.workflows.presegment import (
    Answer,
    Clicks,
    Serving,
    answer_tasks,
    check_label_config,
    choose_presegmenter,
    object_prompts,
)
from matcurate.workflows.versions import model_version_names
from matcurate_backend.metrics import Metrics

RECONCILE_SECONDS = 600.0
DECIDING = ("project", "backbone", "preset", "cache_dir", "pre_segmentation", "tracking_uri")
"""Settings that decide which model serves."""

Stamp = tuple[int, int, int]


class BackendState:
    """One installation as its settings stand: everything a route may use."""

    def __init__(self, workspace: Workspace, metrics: Metrics, serving: Serving | None = None) -> None:
        self.settings = workspace.settings
        self.metrics = metrics
        self.workspace = workspace
        self.serving = serving or Serving(lambda present: choose_presegmenter(workspace, present))
        self.clicks = Clicks(workspace, self.serving)
        self._connecting = threading.Lock()
        self._client: LabelStudioClient | None = None
        self._reconciled: float | None = None

    @property
    def client(self) -> LabelStudioClient:
        """Label Studio with our own token; made at first use, so that the backend can start before ``connect``."""
        with self._connecting:
            if self._client is None:
                self._client = label_studio_client(self.settings)
            return self._client

    @property
    def model_version(self) -> str:
        """Version of the model, which is loaded when it is not yet."""
        return self.serving.load().version

    def check_config(self, label_config: str) -> None:
        """Refuse a labelling configuration that lacks what the project needs."""
        check_label_config(self.workspace, label_config)

    def answer(
        self, tasks: Sequence[TaskQuestion], label_config: str, context: Mapping[str, object] | None
    ) -> list[Answer]:
        """Answer an expert's smart points and boxes, else predict tasks; count the answers."""
        client = self.client if self.settings.label_studio.url else None
        prompts = object_prompts(context) if len(tasks) == 1 else None
        with self.metrics.predict_seconds.time():
            if prompts is None:
                answers = answer_tasks(self.workspace, client, self.serving, tasks, label_config, context)
            else:
                answers = [self.clicks.answer(client, tasks[0], label_config, prompts)]
        if context is None and len(tasks) == 1 and answers[0].source != "failed":
            self.clicks.foresee(client, tasks[0], label_config)
        for answer in answers:
            self.metrics.predictions.labels(answer.source).inc()
        return answers

    def receive(self, action: str, ls_project_id: int | None, annotation_ids: Sequence[int]) -> None:
        """Store a webhook and count it."""
        self.metrics.webhooks.labels(action).inc()
        receive_webhook(self.workspace, action, ls_project_id, annotation_ids)

    def known_versions(self) -> list[str]:
        """Model versions of the project, newest first."""
        return model_version_names(self.workspace)

    def drain(self) -> None:
        """Handle stored webhooks; at first and then every ten minutes pull everything, since webhooks get lost."""
        if self.settings.label_studio.project_id is None:
            return
        if self._reconciled is None:
            with queue_client(self.settings):
                pass  # opened now, so that no webhook waits for it
        reports = [handle_webhooks(self.workspace, self.client)]
        if self._reconciled is None or time.monotonic() - self._reconciled > RECONCILE_SECONDS:
            reports.append(pull_corrections(self.workspace, self.client))
            self._reconciled = time.monotonic()
        for report in reports:
            for outcome, count in report.outcomes.items():
                self.metrics.corrections.labels(outcome).inc(count)
        self.metrics.inbox_pending.set(pending_webhooks(self.workspace))


class LiveState:
    """The current :class:`BackendState`: made again when ``HOME/config.yaml`` changes (``curate connect``)."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._home = settings.home
        self._metrics = metrics
        self._lock = threading.Lock()
        self._stamp = self._config_stamp()
        self._state = BackendState(open_workspace(settings), metrics)

    def current(self) -> BackendState:
        """State for the settings as they are now."""
        with self._lock:
            stamp = self._config_stamp()
            if stamp != self._stamp:
                self._state = self._renewed(load_settings(self._home))
                self._stamp = stamp
            return self._state

    def drain(self) -> None:
        """Handle what webhooks have told the current state."""
        self.current().drain()

    def follow(self) -> None:
        """Serve the champion of this moment, and load what could not be loaded at the start."""
        self.current().serving.follow()

    def _renewed(self, settings: Settings) -> BackendState:
        """State for other settings; the open catalog and the loaded model stay when they are the same."""
        old = self._state
        same_catalog = _same(settings, old.settings, "database_url", "objects_url")
        same_model = same_catalog and _same(settings, old.settings, *DECIDING)
        workspace = replace(old.workspace, settings=settings) if same_catalog else open_workspace(settings)
        return BackendState(workspace, self._metrics, old.serving if same_model else None)

    def _config_stamp(self) -> Stamp | None:
        """What tells one content of the file from another; a file put in its place has another inode."""
        config: Path = self._home / "config.yaml"
        if not config.exists():
            return None
        found = config.stat()
        return found.st_mtime_ns, found.st_ino, found.st_size


def _same(a: Settings, b: Settings, *names: str) -> bool:
    return all(getattr(a, name) == getattr(b, name) for name in names)

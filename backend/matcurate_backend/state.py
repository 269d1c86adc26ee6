"""What a running backend holds: the open installation, one loaded model, one client."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from matcurate.config import Settings, load_settings
from matcurate.workflows.predict import Answer, LoadedSegmenter, answer_tasks, check_label_config
from matcurate.workflows.segmenter import build_segmenter
from matcurate.workflows.sync import drain_inbox, pending_events, receive_event, sync
from matcurate.workflows.tasks import TaskQuestion
from matcurate.workflows.versions import model_version_names
from matcurate.workflows.workspace import LabelStudioClient, label_studio_client, open_workspace
from matcurate_backend.metrics import Metrics

RECONCILE_SECONDS = 600.0


class BackendState:
    """One installation as its settings stand: everything a route may use."""

    def __init__(self, settings: Settings, metrics: Metrics, segmenter: LoadedSegmenter | None = None) -> None:
        self.settings = settings
        self.metrics = metrics
        self.workspace = open_workspace(settings)
        self.segmenter = segmenter or LoadedSegmenter(
            lambda: build_segmenter(settings, self.workspace.project().preset, settings.backbone)
        )
        self._reconciled = time.monotonic()

    @cached_property
    def client(self) -> LabelStudioClient:
        """Label Studio with our own token; made at first use, so that the backend can start before ``connect``."""
        return label_studio_client(self.settings)

    @cached_property
    def model_version(self) -> str:
        """Version of the loaded model."""
        with self.segmenter.use() as segmenter:
            return segmenter.version

    def check_config(self, label_config: str) -> None:
        """Refuse a labelling configuration that lacks what the project needs."""
        check_label_config(self.workspace, label_config)

    def answer(self, tasks: Sequence[TaskQuestion], label_config: str) -> list[Answer]:
        """Predict tasks and count them."""
        with self.metrics.predict_seconds.time():
            answers = answer_tasks(self.workspace, self.client, self.segmenter, tasks, label_config)
        for answer in answers:
            self.metrics.predictions.labels(answer.source).inc()
        return answers

    def receive(self, action: str, ls_project_id: int | None, annotation_ids: Sequence[int]) -> None:
        """Put a webhook into the inbox."""
        self.metrics.webhooks.labels(action).inc()
        receive_event(self.workspace, action, ls_project_id, annotation_ids)

    def known_versions(self) -> list[str]:
        """Model versions of the project, newest first."""
        return model_version_names(self.workspace)

    def drain(self) -> None:
        """Empty the inbox; every ten minutes pull everything, since webhooks get lost."""
        if self.settings.label_studio.project_id is None:
            return
        due = time.monotonic() - self._reconciled > RECONCILE_SECONDS
        reports = [drain_inbox(self.workspace, self.client)]
        if due:
            reports.append(sync(self.workspace, self.client))
            self._reconciled = time.monotonic()
        for report in reports:
            for outcome, count in report.outcomes.items():
                self.metrics.corrections.labels(outcome).inc(count)
        self.metrics.inbox_pending.set(pending_events(self.workspace))


class LiveState:
    """The current :class:`BackendState`: made anew when ``HOME/config.yaml`` changes (``curate connect``)."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._home = settings.home
        self._metrics = metrics
        self._lock = threading.Lock()
        self._stamp = self._config_stamp()
        self._state = BackendState(settings, metrics)

    def current(self) -> BackendState:
        """State for the settings as they are now."""
        with self._lock:
            stamp = self._config_stamp()
            if stamp != self._stamp:
                self._state = self._renewed(load_settings(self._home))
                self._stamp = stamp
            return self._state

    def drain(self) -> None:
        """Empty the inbox of the current state."""
        self.current().drain()

    def _renewed(self, settings: Settings) -> BackendState:
        """State for other settings; the loaded model stays when it is the same."""
        old = self._state
        names = ("project", "backbone", "preset", "database_url", "cache_dir")
        same_model = all(getattr(settings, name) == getattr(old.settings, name) for name in names)
        return BackendState(settings, self._metrics, old.segmenter if same_model else None)

    def _config_stamp(self) -> int:
        config: Path = self._home / "config.yaml"
        return config.stat().st_mtime_ns if config.exists() else 0

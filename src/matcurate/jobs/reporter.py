"""What a running job says of itself in the catalog: how far it is, and that its worker is still there."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlmodel import Session

from matcurate.catalog.jobs import keep_alive, report_progress
from matcurate.errors import CatalogError
from matcurate.workflows.home import Workspace

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 20.0
PROGRESS_SECONDS = 0.5
"""Progress is written to the catalog at most so often."""


@dataclass(slots=True)
class JobReporter:
    """Writes a job's progress to the catalog, not too often, and stops it when it shall.

    Parameters
    ----------
    workspace : Workspace
        Whose catalog.
    job_id : int
        Of the running job.
    stopping : threading.Event
        Set when the job shall stop at its next step.
    written : float
        When progress was last written, by the monotonic clock.
    """

    workspace: Workspace
    job_id: int
    stopping: threading.Event
    written: float = field(default=float("-inf"))

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Say how far the job is; raises KeyboardInterrupt when it shall stop."""
        if self.stopping.is_set():
            raise KeyboardInterrupt
        if done < total and time.monotonic() - self.written < PROGRESS_SECONDS:
            return
        self.written = time.monotonic()
        self._write(lambda session: report_progress(session, self.job_id, done, total, note))

    @contextmanager
    def heartbeat(self) -> Iterator[None]:
        """Say now and then that the worker is there, also while a job has nothing to report."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(HEARTBEAT_SECONDS):
                self._write(lambda session: keep_alive(session, self.job_id))

        thread = threading.Thread(target=beat, name=f"job {self.job_id} alive", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _write(self, note: Callable[[Session], None]) -> None:
        """Write to the catalog; no job fails because that is busy, the next note may come through."""
        try:
            with self.workspace.writing() as session:
                note(session)
        except CatalogError as error:
            log.warning("job %d: %s", self.job_id, error)

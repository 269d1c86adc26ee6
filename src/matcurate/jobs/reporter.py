"""What a running job says of its progress in the catalog, and how it is stopped."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field

from matcurate.catalog import report_progress
from matcurate.errors import CatalogError
from matcurate.workflows.home import Workspace

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 0.5
"""Progress is written to the catalog no more often than this."""


@dataclass(slots=True)
class JobReporter:
    """Write a job's progress to the catalog; stop the job when ``stopping`` is set or the job was cancelled.

    A part of a job writes what is at hand only: ``counts`` is False.
    """

    workspace: Workspace
    job_id: int
    stopping: threading.Event
    counts: bool = True
    written: float = field(default=float("-inf"))

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Write how far the job is; raises KeyboardInterrupt when it is to stop."""
        if self.stopping.is_set():
            raise KeyboardInterrupt
        if done < total and time.monotonic() - self.written < PROGRESS_SECONDS:
            return
        self.written = time.monotonic()
        try:
            with self.workspace.writing() as session:
                wanted = report_progress(session, self.job_id, note, (done, total) if self.counts else None)
        except CatalogError as error:  # no job fails because the catalog is busy, the next report may come through
            log.warning("job %d: %s", self.job_id, error)
            return
        if not wanted:
            raise KeyboardInterrupt

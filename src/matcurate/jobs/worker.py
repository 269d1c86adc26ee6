"""The worker process: feeds the queue with jobs that are ready, fires the schedule, and stops cleanly."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from datetime import datetime
from types import FrameType

from matcurate.config import Settings, load_settings
from matcurate.errors import CurateError
from matcurate.jobs.kinds import give_up_lost, ready, run_job, wait_again
from matcurate.jobs.queue import open_queue
from matcurate.jobs.schedule import fire_schedule
from matcurate.workflows.home import Workspace, open_workspace

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
RESEND_SECONDS = 30.0
"""A job that was sent and still waits is sent again: another machine may have dropped it."""
TIDY_SECONDS = 60.0
STOP_SECONDS = 30.0
"""How long a stopped worker waits for its jobs to reach their next progress report."""


class Worker:
    """One worker of an installation.

    Settings are read again while it runs, so that ``curate init``, ``connect`` and edits of ``config.yaml`` count
    from the next job on; the queue's address counts from the next start.

    Parameters
    ----------
    settings : Settings
        Of the installation.

    Raises
    ------
    CurateError
        When the project has not been created, or the queue's address cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self._workspace = open_workspace(settings)
        self._workspace.project()
        self._stopping = threading.Event()
        self._sent: dict[int, float] = {}
        self._doing: set[int] = set()
        self._tidied = float("-inf")
        self._queue = open_queue(settings)
        self._send = self._queue.task(name="run_job")(self.do)

    def run(self) -> None:
        """Work until SIGTERM, SIGINT or SIGHUP; to be called in the main thread."""
        options = {"workers": self._workspace.settings.worker.workers, "worker_type": "thread", "periodic": False}
        consumer = self._queue.create_consumer(max_delay=POLL_SECONDS, shutdown_timeout=STOP_SECONDS, **options)
        consumer.start()  # sets handlers of its own
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)
        log.info("worker started for project %r", self._workspace.settings.project)
        trouble = ""
        while not self._stopping.wait(POLL_SECONDS):
            try:
                self.feed(datetime.now().astimezone())
                trouble = ""
            except CurateError as error:
                if str(error) != trouble:  # said once, not every second
                    log.warning("%s", error)
                trouble = str(error)
        consumer.stop(graceful=True)
        self.put_back()
        log.info("worker stopped")

    def feed(self, now: datetime) -> int:
        """Send what is ready to the queue, the schedule's jobs included; returns how many were sent."""
        workspace = self._current()
        fire_schedule(workspace, now)
        if time.monotonic() - self._tidied > TIDY_SECONDS:
            self._tidied = time.monotonic()
            give_up_lost(workspace)
        waiting = [job for job in ready(workspace) if self._is_new(job.id)]
        for job in waiting:
            self._sent[job.id] = time.monotonic()
            self._send(job.id)
        return len(waiting)

    def do(self, job_id: int) -> None:
        """Do the job of a message."""
        self._doing.add(job_id)
        try:
            job = run_job(self._current(), job_id, self._stopping)
            if job is not None:
                log.info("job %d (%s), asked for by %s: %s", job.id, job.kind, job.trigger, job.state.value)
        finally:
            self._doing.discard(job_id)
            self._sent.clear()  # one that could not begin beside this one may begin now

    def put_back(self) -> None:
        """Let jobs wait again that did not reach a progress report in time; they end with this process."""
        for job_id in tuple(self._doing):
            log.warning("job %d did not stop within %.0f s; it waits for the next worker", job_id, STOP_SECONDS)
            wait_again(self._current(), job_id)

    def _is_new(self, job_id: int) -> bool:
        return time.monotonic() - self._sent.get(job_id, float("-inf")) > RESEND_SECONDS

    def _current(self) -> Workspace:
        settings = load_settings(self._workspace.settings.home)
        if settings != self._workspace.settings:
            self._workspace = open_workspace(settings)
        return self._workspace

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping.set()


def main() -> int:
    """Run a worker for the home in ``CURATE_HOME``; 0 when it was stopped, 1 when it could not start."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    for noisy in ("huey", "alembic", "mlflow"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        Worker(load_settings()).run()
    except CurateError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0

"""The worker process: runs what waits in DBOS's queue, takes over from workers that are gone, and stops cleanly."""

from __future__ import annotations

import itertools
import logging
import platform
import signal
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

from dbos import DBOS, DBOSPortableJSONSerializer
from filelock import FileLock, Timeout

from matcurate.catalog import JobRecord, keep_alive
from matcurate.config import Settings, load_settings
from matcurate.errors import CurateError
from matcurate.jobs.chunks import ChunkWorker, scores
from matcurate.jobs.kinds import begin, end, work
from matcurate.jobs.queue import KILLS, put_back, reconcile, take_over
from matcurate.jobs.reporter import JobReporter
from matcurate.jobs.schedule import current_schedule, fire_schedule, local_zone
from matcurate.workflows.home import JOB, Workspace, chunk_queue_name, open_workspace, queue_client, queue_name

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
TIDY_SECONDS = 5.0
STOP_SECONDS = 30
"""How long a stopped worker waits for its jobs to reach their next progress report."""
CHUNK_JOB = "chunk"
ENDED = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")


class Worker:
    """One worker of an installation.

    Settings are read again while it runs, so that ``curate init``, ``connect`` and edits of ``config.yaml`` count
    from the next job on; the queue's address and the number of jobs at the same time count from the next start.

    Raises CurateError when the project has not been created, or the queue cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self._workspace = open_workspace(settings)
        self._project = self._workspace.project()
        self._stopping = threading.Event()
        self._chunks = threading.local()

    def run(self) -> bool:
        """Work until SIGTERM, SIGINT or SIGHUP; to be called in the main thread.

        False when it has ended because the home is another project's now.
        """
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)
        with self.working():
            log.info("worker started for project %r", self._workspace.settings.project)
            trouble = ""
            while not self._stopping.is_set():
                try:
                    if self._current().settings.project != self._project.name:
                        log.info("the home is another project's now")
                        return False
                    self.tidy()
                    trouble = ""
                except CurateError as error:
                    if str(error) != trouble:  # said once, not every few seconds
                        log.warning("%s", error)
                    trouble = str(error)
                self._stopping.wait(TIDY_SECONDS)
        log.info("worker stopped")
        return True

    @contextmanager
    def working(self) -> Iterator[None]:
        """Run what waits in the queue; at the end jobs stop at their next progress report, and wait again."""
        workspace = self._workspace
        with executor_id(workspace.settings.home) as self._name:
            self._say_alive()  # before it is given anything
            self._register()
            self._launch(workspace.settings)
            try:
                yield
            finally:
                self._stopping.set()
                DBOS.destroy(workflow_completion_timeout_sec=STOP_SECONDS, destroy_registry=True)
                stopped = put_back(workspace, self._name)
                log.info("%d jobs or parts of jobs wait for the next worker", stopped)

    def tidy(self) -> None:
        """Say that this worker is there, take over from those that are gone, and follow the schedule."""
        workspace = self._current()
        self._say_alive()
        reconcile(workspace)
        take_over(workspace)
        apply_schedule(workspace, self._fire)

    def _register(self) -> None:
        """Tell DBOS what there is to do; it is one for each process, its functions belong to the module that asks."""

        @DBOS.workflow(name=JOB, max_recovery_attempts=KILLS)
        def job(job_id: int) -> None:
            self._do(job_id)

        @DBOS.workflow(name=CHUNK_JOB, max_recovery_attempts=KILLS)
        def chunk(job_id: int, ids: list[int], scored: bool) -> int:
            return self._do_chunk(job_id, ids, scored)

        @DBOS.workflow(name="schedule")
        def fire(at: datetime, context: object) -> None:
            fire_schedule(self._own(), at)

        self._fire = fire

    def _launch(self, settings: Settings) -> None:
        queue, chunks = queue_name(self._project), chunk_queue_name(self._project)
        with queue_client(settings):  # makes or upgrades the database
            DBOS(
                config={
                    "name": queue,
                    "system_database_url": settings.resolved_queue_url,
                    "serializer": DBOSPortableJSONSerializer(),
                    "executor_id": self._name,
                    # the same for all versions of the code: what an earlier one has begun is gone on with
                    "application_version": f"{queue}-1",
                    "console_log_level": "WARNING",
                    "scheduler_polling_interval_sec": TIDY_SECONDS,
                }
            )
            DBOS.listen_queues([queue, chunks])
            DBOS.launch()
            workers, poll = settings.worker.workers, POLL_SECONDS
            # one job of a kind at a time, by whichever worker
            DBOS.register_queue(queue, partition_concurrency=1, worker_concurrency=workers, polling_interval_sec=poll)
            DBOS.register_queue(chunks, worker_concurrency=workers, polling_interval_sec=poll)

    def _do(self, job_id: int) -> None:
        """Do a job; when this process is killed the next one does it again from its last completed step."""
        workspace = self._own()
        job = begin(workspace, job_id)
        if job is None:
            return
        predicted = self._share(workspace, job)
        outcome = DBOS.run_step({"name": job.kind}, work, workspace, job, self._stopping, predicted)
        end(workspace, job, outcome)
        state = "failed" if "error" in outcome else "done"
        log.info("job %d (%s), asked for by %s: %s", job.id, job.kind, job.trigger, state)

    def _share(self, workspace: Workspace, job: JobRecord) -> int:
        """Let all workers predict what a large job has to look at; returns how many micrographs that were."""
        chunks = DBOS.run_step({"name": "split"}, lambda: self._chunk_worker().split(workspace, job))
        if not chunks:
            return 0
        report, total = JobReporter(workspace, job.id, self._stopping), sum(map(len, chunks))
        names = {f"{job.workflow_id}-{index}": ids for index, ids in enumerate(chunks)}
        with queue_client(workspace.settings) as client:
            for name, ids in names.items():
                client.enqueue(
                    {
                        "workflow_name": CHUNK_JOB,
                        "queue_name": chunk_queue_name(self._project),
                        "workflow_id": name,
                    },
                    *(job.id, ids, scores(job)),
                )
            while True:
                flows = client.list_workflows(workflow_ids=list(names), load_input=False)
                ended = [flow for flow in flows if flow.status in ENDED]
                report(sum(len(names[flow.workflow_id]) for flow in ended), total, "shared between workers")
                if len(ended) == len(names):
                    return sum(flow.output or 0 for flow in ended)
                time.sleep(POLL_SECONDS)

    def _do_chunk(self, job_id: int, ids: list[int], scored: bool) -> int:
        workspace = self._own()
        report = JobReporter(workspace, job_id, self._stopping, counts=False)
        return DBOS.run_step({"name": "chunk"}, lambda: self._chunk_worker().do(workspace, ids, scored, report))

    def _chunk_worker(self) -> ChunkWorker:
        """One for each thread: a model is no two threads' at a time."""
        if not hasattr(self._chunks, "worker"):
            self._chunks.worker = ChunkWorker()
        worker: ChunkWorker = self._chunks.worker
        return worker

    def _say_alive(self) -> None:
        with self._current().writing() as session:
            keep_alive(session, self._name)

    def _current(self) -> Workspace:
        settings = load_settings(self._workspace.settings.home)
        if settings.model_dump() != self._workspace.settings.model_dump():  # each is of a class of its own
            self._workspace = open_workspace(settings)
        return self._workspace

    def _own(self) -> Workspace:
        """The installation, for a job of this worker's project; when it is another's now the job waits."""
        workspace = self._current()
        if workspace.settings.project != self._project.name:
            raise KeyboardInterrupt
        return workspace

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping.set()


def apply_schedule(workspace: Workspace, fire: Callable[[datetime, Any], None]) -> None:
    """Let DBOS call ``fire`` when the schedule says so; for a worker, whose time zone counts."""
    wanted, name = current_schedule(workspace), queue_name(workspace.project())
    present = DBOS.get_schedule(name)
    if present is not None and (wanted is None or present["schedule"] != wanted.cron):
        DBOS.delete_schedule(name)
        present = None
    if present is None and wanted is not None:
        DBOS.create_schedule(schedule_name=name, workflow_fn=fire, schedule=wanted.cron, cron_timezone=local_zone())


@contextmanager
def executor_id(home: Path) -> Iterator[str]:
    """Hold the lowest number that no other worker of this home has; yields machine, home and number as one name.

    A worker that starts again is thus the one that it was, and goes on with what it ran.
    """
    folder = home.absolute() / "workers"
    folder.mkdir(parents=True, exist_ok=True)
    for number in itertools.count():
        lock = FileLock(folder / f"{platform.node()}-{number}.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            continue
        try:
            yield f"{platform.node()}-{zlib.crc32(str(folder).encode()):08x}-{number}"
        finally:
            lock.release()
        return


def main() -> int:
    """Run a worker for the home in ``CURATE_HOME``; 0 when it was stopped, 1 when it could not start."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    for noisy in ("dbos", "alembic", "mlflow", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        while not Worker(load_settings()).run():
            pass
    except CurateError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0

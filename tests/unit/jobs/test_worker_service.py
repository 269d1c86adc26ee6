"""The worker: one in this process, and one in a process of its own."""

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dbos import DBOS

from matcurate.catalog import JobState, list_predictions
from matcurate.catalog import jobs as table
from matcurate.config import load_settings, save_settings
from matcurate.errors import CatalogError
from matcurate.jobs import chunks, kinds
from matcurate.jobs import worker as module
from matcurate.jobs.kinds import JobKind
from matcurate.jobs.queue import LOST_AFTER, job_of, jobs_of, put_back, take_over
from matcurate.jobs.schedule import schedule, unschedule
from matcurate.jobs.worker import Worker, executor_id
from matcurate.workflows.home import enqueue, initialise, open_workspace, queue, queue_client, queue_name
from matcurate.workflows.ingest import ingest_files
from tests.unit.job_samples import begin_as
from tests.unit.learning_samples import add_disc, correct, half
from tests.unit.loop_samples import make_workspace, write_discs


@pytest.fixture
def workspace(tmp_path):
    return make_workspace(tmp_path / "home", connected=False)


@pytest.fixture
def quick(monkeypatch):
    """Look often, stop soon."""
    monkeypatch.setattr(module, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(module, "STOP_SECONDS", 1)


class Work:
    """A kind of job that runs until it is released, and reports progress all the time."""

    def __init__(self, reports: bool = True) -> None:
        self.reports, self.begun, self.released = reports, [], threading.Event()

    def __call__(self, workspace, job, progress):
        self.begun.append(job.id)
        while not self.released.wait(0.02):
            if self.reports:
                progress(1, 1)
        return {"trigger": job.trigger}


@pytest.fixture
def add_kind(monkeypatch):
    def add(name, run):
        monkeypatch.setattr(kinds, "KINDS", {**kinds.KINDS, name: JobKind(name, "", run)})
        monkeypatch.setattr(queue, "KINDS", (*queue.KINDS, name))
        return run

    return add


def wait_until(holds, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.02)


def state(workspace, job) -> JobState:
    return job_of(workspace, job.id).state


def test_one_of_a_kind_at_a_time_other_kinds_beside_it(workspace, quick, add_kind):
    one, other = add_kind("one", Work()), add_kind("other", Work())
    workspace = make_workspace_with(workspace, workers=2)
    first, second = enqueue(workspace, "one", "ann")[0], enqueue(workspace, "other", "ann")[0]
    with Worker(workspace.settings).working():
        wait_until(lambda: one.begun and other.begun)
        third, added = enqueue(workspace, "one", "bob")
        assert added and state(workspace, first) is state(workspace, second) is JobState.RUNNING
        time.sleep(0.3)
        assert one.begun == [first.id] and state(workspace, third) is JobState.QUEUED
        one.released.set()
        wait_until(lambda: state(workspace, third) is JobState.DONE)
        other.released.set()
        wait_until(lambda: state(workspace, second) is JobState.DONE)
    assert [job_of(workspace, job.id).result for job in (first, third)] == [{"trigger": "ann"}, {"trigger": "bob"}]
    assert one.begun == [first.id, third.id] and other.begun == [second.id]


def make_workspace_with(workspace, **settings):
    save_settings(workspace.settings.home, {"worker": settings})
    return module.open_workspace(load_settings(workspace.settings.home))


@pytest.mark.parametrize("reports", [True, False], ids=["at its next report", "not in time"])
def test_a_job_of_a_stopped_worker_waits_again_and_is_done_by_the_next(workspace, quick, add_kind, reports):
    work = add_kind("work", Work(reports))
    job, _ = enqueue(workspace, "work", "ann")
    with Worker(workspace.settings).working():
        wait_until(lambda: work.begun)
    assert (state(workspace, job), job_of(workspace, job.id).started_at) == (JobState.QUEUED, None)
    assert enqueue(workspace, "work", "bob") == (job_of(workspace, job.id), False)
    work.released.set()
    with Worker(workspace.settings).working():
        wait_until(lambda: state(workspace, job) is JobState.DONE)
    assert job_of(workspace, job.id).result == {"trigger": "bob"} and work.begun == [job.id] * 2


def test_what_a_worker_ran_that_is_gone_for_good_is_taken_over(workspace):
    job, _ = enqueue(workspace, "snapshot", "ann")
    begin_as(workspace, job, "elsewhere-0")
    with workspace.writing() as session:
        table.keep_alive(session, "elsewhere-0")
    assert (take_over(workspace), state(workspace, job)) == (0, JobState.RUNNING)
    with workspace.writing() as session:
        session.merge(table.Worker(name="elsewhere-0", alive_at=datetime.now(UTC) - LOST_AFTER - timedelta(seconds=1)))
    waiting, _ = enqueue(workspace, "snapshot", "bob")
    assert (take_over(workspace), state(workspace, job)) == (1, JobState.QUEUED)
    assert enqueue(workspace, "snapshot", "eve")[0].id == waiting.id  # the other one was there first
    with Worker(workspace.settings).working():
        wait_until(lambda: {job.state for job in jobs_of(workspace)} == {JobState.FAILED})  # nothing to freeze
    assert put_back(workspace, "elsewhere-0") == 0


def test_a_worker_that_starts_again_is_the_one_that_it_was(workspace, tmp_path):
    with executor_id(tmp_path / "home") as first, executor_id(tmp_path / "home") as second:
        assert first.endswith("-0") and second == first[:-1] + "1"
    with executor_id(tmp_path / "home") as again, executor_id(tmp_path / "other") as other:
        assert again == first and other != first


def test_large_jobs_are_shared_in_chunks(tmp_path, quick, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK", 2)
    workspace = make_workspace(tmp_path / "home", connected=False)
    ingest_files(workspace, write_discs(tmp_path / "images", 5))
    with Worker(workspace.settings).working():
        job, _ = enqueue(workspace, "presegment", "ann")
        wait_until(lambda: state(workspace, job) is JobState.DONE)
        ranked, _ = enqueue(workspace, "rank", "ann")
        wait_until(lambda: state(workspace, ranked) is JobState.DONE)
    parts = statuses_of_parts(workspace, job)
    assert list(parts.values()) == [("SUCCESS", 2), ("SUCCESS", 2), ("SUCCESS", 1)]
    assert job_of(workspace, job.id).result["predicted"] == 5
    assert list(statuses_of_parts(workspace, ranked).values()) == [("SUCCESS", 0)] * 3  # predicted, and now scored
    with workspace.reading() as session:
        assert len(list_predictions(session, 1)) == 5
    assert job_of(workspace, ranked.id).result["pool"] == 5


def statuses_of_parts(workspace, job):
    with queue_client(workspace.settings) as client:
        parts = client.list_workflows(workflow_id_prefix=f"{job.workflow_id}-")
    return {part.workflow_id: (part.status, part.output) for part in sorted(parts, key=lambda part: part.workflow_id)}


def test_the_schedule_is_dbos_s_and_follows_the_catalog(workspace, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    name, worker = queue_name(workspace.project()), Worker(workspace.settings)
    with worker.working():
        for cron in ("0 2 * * *", "5 3 * * *"):
            schedule(workspace, cron)
            worker.tidy()
            found = DBOS.get_schedule(name)
            assert (found["schedule"], found["cron_timezone"]) == (cron, "Asia/Kolkata")
        schedule(workspace, "* * * * *")
        worker.tidy()
        DBOS.trigger_schedule(name)
        wait_until(lambda: jobs_of(workspace))
        unschedule(workspace)
        worker.tidy()
        assert DBOS.get_schedule(name) is None
    first = jobs_of(workspace)[-1]  # perhaps the next has followed
    assert (first.kind, first.trigger) == ("sync", "schedule")


def test_a_worker_whose_home_is_another_projects_now_lets_go(workspace, quick, monkeypatch):
    monkeypatch.setattr(module.signal, "signal", lambda *_: None)
    worker, (job, _) = Worker(workspace.settings), enqueue(workspace, "snapshot", "ann")
    initialise(workspace.settings, "second", ("a",), "phases")
    assert worker.run() is False
    assert state(workspace, job) is JobState.QUEUED


def test_the_installation_is_opened_again_only_for_other_settings(workspace):
    worker = Worker(workspace.settings)
    opened = worker._current()
    assert worker._current() is opened
    save_settings(workspace.settings.home, {"lab": "north"})
    assert worker._current().settings.lab == "north"


def test_without_a_project_there_is_no_worker(tmp_path):
    with pytest.raises(CatalogError, match="curate init"):
        Worker(load_settings(tmp_path / "empty"))


def start(home: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "CURATE_HOME": "", "OMP_NUM_THREADS": "1"}
    code = "from matcurate.cli.app import main; main()"
    command = [sys.executable, "-c", code, "--home", str(home), "worker"]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def test_curate_worker_does_jobs_sees_new_settings_and_stops_on_sigterm(workspace, tmp_path):
    correct(workspace, add_disc(workspace, tmp_path / "in"), half())
    first, _ = enqueue(workspace, "snapshot", "ann")
    process = start(tmp_path / "home")
    try:
        wait_until(lambda: state(workspace, first) is JobState.DONE, 240)
        save_settings(tmp_path / "home", {"retrain": {"validation_share": 0.5}})
        second, _ = enqueue(workspace, "snapshot", "ann")
        wait_until(lambda: state(workspace, second) is JobState.DONE, 240)
        names = [job_of(workspace, job.id).result for job in (first, second)]
        assert names[0]["snapshot"] != names[1]["snapshot"]  # the share is part of a snapshot's content
    finally:
        process.send_signal(signal.SIGTERM)
        errors = process.communicate(timeout=40)[1]
    assert process.returncode == 0, errors
    assert "worker stopped" in errors and "Traceback" not in errors


def test_workers_of_two_projects_share_one_queue_database(workspace, quick, add_kind):
    add_kind("probe", lambda workspace, job, progress: {"project": workspace.project().name})
    with Worker(workspace.settings).working():
        first = enqueue(workspace, "probe", "ann")[0]
        wait_until(lambda: state(workspace, first) is JobState.DONE)
    initialise(workspace.settings, "other")
    other = open_workspace(load_settings(workspace.settings.home))
    with Worker(other.settings).working():
        second = enqueue(other, "probe", "ann")[0]
        wait_until(lambda: state(other, second) is JobState.DONE)
    assert job_of(other, second.id).result == {"project": "other"}

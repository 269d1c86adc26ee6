"""The worker: what its queue carries, and a real one in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from huey.registry import Message
from learning_samples import add_disc, correct, half
from loop_samples import make_workspace

from matcurate.catalog.learning_records import JobState
from matcurate.config import WorkerSettings, load_settings, save_settings
from matcurate.errors import CatalogError, ConfigError
from matcurate.jobs import kinds as jobs
from matcurate.jobs.kinds import JobKind, job_of
from matcurate.jobs.queue import JsonSerializer, open_queue, queue_name
from matcurate.jobs.schedule import schedule
from matcurate.jobs.worker import Worker
from matcurate.workflows.home import ask
from matcurate.workflows.home import queue as home_queue


@pytest.fixture
def workspace(tmp_path):
    return make_workspace(tmp_path / "home", connected=False)


SERVERS = [os.environ.get("CURATE_TEST_POSTGRES_URL"), os.environ.get("CURATE_TEST_REDIS_URL")]


@pytest.fixture(params=[None, *filter(None, SERVERS)], ids=lambda url: str(url).split(":")[0])
def queue(request, workspace):
    """A queue in a file, and in every server that the environment names."""
    found = open_queue(with_url(workspace.settings, request.param))
    yield found
    found.flush()


def with_url(settings, url):
    return settings.model_copy(update={"worker": WorkerSettings(queue_url=url)})


def test_messages_are_json_and_come_back_whole(queue):
    send = queue.task(name="run_job")(lambda job_id: None)
    send(7)
    (stored,) = queue.storage.enqueued_items()
    assert json.loads(stored)["args"] == [7]
    task = queue.dequeue()
    assert task.args == [7] and task.name == "run_job" and queue.dequeue() is None
    message = Message("id", "name", None, 0, 0, None, [1], {"a": 2})
    assert JsonSerializer().deserialize(JsonSerializer().serialize(message)) == message


def test_a_pickle_in_the_queue_is_not_opened(workspace):
    import pickle

    with pytest.raises(ValueError):  # it is not JSON
        JsonSerializer().deserialize(pickle.dumps(Message("id", "name")))


@pytest.mark.parametrize("url", ["mysql://host/x", "queue.db", "amqp://host"])
def test_other_queues_are_refused(workspace, url):
    with pytest.raises(ConfigError, match="redis://HOST:PORT/N or postgresql://"):
        open_queue(with_url(workspace.settings, url))


def test_installations_do_not_share_a_queue(workspace, tmp_path):
    other = make_workspace(tmp_path / "other", connected=False)
    assert queue_name(workspace.settings) != queue_name(other.settings)
    assert queue_name(workspace.settings) == queue_name(load_settings(tmp_path / "home"))


def test_what_is_ready_is_sent_once_and_the_schedule_with_it(workspace):
    worker = Worker(workspace.settings)
    now = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
    assert worker.feed(now) == 0
    ask(workspace, "snapshot", "ann")
    assert (worker.feed(now), worker.feed(now)) == (1, 0)
    schedule(workspace, "0 2 * * *")
    assert worker.feed(now) == 1
    job = job_of(workspace, 1)
    worker.do(job.id)
    assert job_of(workspace, job.id).state is JobState.FAILED  # nothing to freeze
    assert worker.feed(now) == 1  # what could not begin beside it is sent again


def test_a_job_that_does_not_stop_in_time_waits_for_the_next_worker(workspace, monkeypatch):
    began, released = threading.Event(), threading.Event()

    def stuck(space, trigger, progress):
        began.set()
        released.wait(60)
        return {}

    monkeypatch.setattr(jobs, "KINDS", {**jobs.KINDS, "stuck": JobKind("stuck", "", stuck)})
    monkeypatch.setattr(home_queue, "KINDS", tuple(jobs.KINDS))
    worker = Worker(workspace.settings)
    job, _ = ask(workspace, "stuck", "ann")
    thread = threading.Thread(target=worker.do, args=(job.id,))
    thread.start()
    assert began.wait(60)
    worker.put_back()
    assert job_of(workspace, job.id).state is JobState.QUEUED
    released.set()
    thread.join()
    assert job_of(workspace, job.id).state is JobState.QUEUED  # too late: it is the next worker's
    worker.put_back()
    assert job_of(workspace, job.id).state is JobState.QUEUED


def test_without_a_project_there_is_no_worker(tmp_path):
    with pytest.raises(CatalogError, match="curate init"):
        Worker(load_settings(tmp_path / "empty"))


def start(home: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "CURATE_HOME": "", "OMP_NUM_THREADS": "1"}
    code = "from matcurate.cli.app import main; main()"
    command = [sys.executable, "-c", code, "--home", str(home), "worker"]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def wait_for(workspace, job_id: int, seconds: float = 60) -> JobState:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        state = job_of(workspace, job_id).state
        if state in (JobState.DONE, JobState.FAILED):
            return state
        time.sleep(0.2)
    pytest.fail(f"job {job_id} is {state} after {seconds} s")


def test_curate_worker_does_jobs_sees_new_settings_and_stops_on_sigterm(workspace, tmp_path):
    correct(workspace, add_disc(workspace, tmp_path / "in"), half())
    first, _ = ask(workspace, "snapshot", "ann")
    process = start(tmp_path / "home")
    try:
        assert wait_for(workspace, first.id) is JobState.DONE
        save_settings(tmp_path / "home", {"retrain": {"validation_share": 0.5}})
        second, _ = ask(workspace, "snapshot", "ann")
        assert wait_for(workspace, second.id) is JobState.DONE
        names = [job_of(workspace, job.id).result for job in (first, second)]
        assert names[0]["snapshot"] != names[1]["snapshot"]  # the share is part of a snapshot's content
    finally:
        process.send_signal(signal.SIGTERM)
        errors = process.communicate(timeout=40)[1]
    assert process.returncode == 0, errors
    assert "worker stopped" in errors and "Traceback" not in errors

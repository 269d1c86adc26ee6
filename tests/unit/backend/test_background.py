"""Background threads: at the start, when woken, now and then, and after failures."""

import logging
import threading

import pytest

from matcurate.errors import LabelStudioUnreachableError
from matcurate_backend import background as module
from matcurate_backend.background import BackgroundThread


class Drain:
    """Counts its calls; raises what it is told to."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.calls = 0
        self.called = threading.Semaphore(0)

    def __call__(self):
        self.calls += 1
        self.called.release()
        if self.errors and (error := self.errors.pop(0)) is not None:
            raise error


@pytest.fixture
def started():
    threads = []

    def start(drain, period=60.0):
        thread = BackgroundThread("webhooks", drain, period)
        threads.append(thread)
        thread.wake()
        return thread

    yield start
    for thread in threads:
        thread.stop()


def test_drains_at_the_start_and_when_woken(started):
    drain = Drain()
    thread = started(drain)
    for _ in range(3):
        assert drain.called.acquire(timeout=5)
        thread.wake()
    assert drain.called.acquire(timeout=5) and drain.calls == 4


def test_drains_now_and_then_by_itself(started):
    drain = Drain()
    started(drain, period=0.01)
    for _ in range(3):
        assert drain.called.acquire(timeout=5)


def test_survives_what_can_be_expected_to_fail_and_says_it_once(started, caplog):
    silent = LabelStudioUnreachableError("no answer")
    drain = Drain(silent, silent, None, silent, None)
    with caplog.at_level(logging.WARNING):
        thread = started(drain)
        for _ in range(4):
            assert drain.called.acquire(timeout=5)
            thread.wake()
        assert drain.called.acquire(timeout=5)
    assert thread.alive
    assert [each.getMessage() for each in caplog.records] == ["webhooks: no answer; trying again every 60 s"] * 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_ends_the_thread_and_the_next_webhook_starts_another(started):
    drain = Drain(ZeroDivisionError("a defect"))
    thread = started(drain)
    assert drain.called.acquire(timeout=5)
    thread._thread.join(5)
    assert not thread.alive
    thread.wake()
    assert drain.called.acquire(timeout=5) and thread.alive


def test_stop_ends_it_for_good_and_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(module, "STOP_SECONDS", 0.05)
    release, begun = threading.Event(), threading.Event()

    def long_work():
        begun.set()
        release.wait(20)

    thread = BackgroundThread("webhooks", long_work)
    thread.wake()
    assert begun.wait(5)
    thread.stop()
    assert thread.alive  # still at its work, as a daemon
    release.set()
    thread._thread.join(5)
    thread.wake()
    assert not thread.alive
    BackgroundThread("webhooks", long_work).stop()  # never started

"""One pre-segmenter for all threads: loaded once, exchanged without a pause."""

import threading
from dataclasses import dataclass

import pytest

from matcurate.errors import ConfigError, TrackingError
from matcurate.workflows.presegment import Serving


@dataclass(frozen=True)
class Named:
    version: str


def test_it_is_loaded_once_and_a_failure_is_tried_again():
    chosen = []

    def choose(present):
        chosen.append(present)
        if len(chosen) == 1:
            raise ConfigError("no checkpoint")
        return Named("v1")

    serving = Serving(choose)
    assert serving.held is None
    with pytest.raises(ConfigError):
        serving.load()
    first = serving.load()
    assert first == Named("v1") and serving.load() is first and serving.held is first and chosen == [None, None]


def test_the_version_answers_while_another_thread_segments():
    serving = Serving(lambda present: Named("v1"))
    with serving.turn():
        answers = []
        thread = threading.Thread(target=lambda: answers.extend([serving.load().version, serving.held.version]))
        thread.start()
        thread.join(5)
        assert answers == ["v1", "v1"]


def test_the_one_before_answers_while_the_next_is_loaded():
    loading, go_on = threading.Event(), threading.Event()

    def choose(present):
        if present is None:
            return Named("v1")
        if present.version == "v2":
            return present
        loading.set()
        assert go_on.wait(10)
        return Named("v2")

    serving = Serving(choose)
    first = serving.load()
    exchanged = []
    thread = threading.Thread(target=lambda: exchanged.append(serving.follow()))
    thread.start()
    assert loading.wait(10)
    assert serving.load() is first and serving.held is first
    go_on.set()
    thread.join(10)
    assert exchanged == [True] and serving.load() == Named("v2")
    assert serving.follow() is False


def test_what_is_held_stays_when_the_next_cannot_be_loaded():
    def choose(present):
        if present is None:
            return Named("v1")
        raise TrackingError("MLflow does not answer")

    serving = Serving(choose)
    first = serving.load()
    with pytest.raises(TrackingError):
        serving.follow()
    assert serving.load() is first

"""Threads that do something now and then, and at once when they are woken."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from matcurate.errors import CurateError

log = logging.getLogger(__name__)

STOP_SECONDS = 10.0
"""How long :meth:`BackgroundThread.stop` waits; what is not finished then is done after the next start."""


class BackgroundThread:
    """Calls ``turn`` whenever :meth:`wake` is called, and every ``period`` seconds.

    Parameters
    ----------
    name : str
        For the log.
    turn : callable
        What it does; a :class:`CurateError` is logged, once as long as it stays the same, and tried again at the next
        turn. Anything else is a defect: Python reports it and the thread ends, and the next :meth:`wake` starts
        another.
    period : float
        Seconds between two turns that nobody asked for.
    """

    def __init__(self, name: str, turn: Callable[[], object], period: float = 30.0) -> None:
        self._name = name
        self._turn = turn
        self._period = period
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._trouble = ""

    def wake(self) -> None:
        """Ask for a turn, and start the thread when it does not run; returns at once."""
        self._wake.set()
        with self._starting:
            if not self._stop.is_set() and not self.alive:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """Finish the turn at hand and end the thread."""
        with self._starting:
            self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(self._period)
            self._wake.clear()
            if self._stop.is_set():
                return
            try:
                self._turn()
                self._trouble = ""
            except CurateError as error:
                if str(error) != self._trouble:
                    log.warning("%s: %s; trying again every %.0f s", self._name, error, self._period)
                self._trouble = str(error)

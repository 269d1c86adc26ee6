"""A thread that empties the inbox: woken by webhooks, and now and then by itself, since webhooks get lost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from matcurate.errors import CurateError

log = logging.getLogger(__name__)

STOP_SECONDS = 10.0
"""How long :meth:`InboxThread.stop` waits; an event that is not finished then is handled after the next start."""


class InboxThread:
    """Calls ``drain`` whenever :meth:`wake` is called, and every ``period`` seconds.

    Parameters
    ----------
    drain : callable
        Empties the inbox; a :class:`CurateError` is logged and tried again at the next turn. Anything else is a
        defect: Python reports it and the thread ends, and the next webhook starts another.
    period : float
        Seconds between two turns without a webhook.
    """

    def __init__(self, drain: Callable[[], None], period: float = 30.0) -> None:
        self._drain = drain
        self._period = period
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start; events left from before are handled first."""
        self.wake()

    def wake(self) -> None:
        """Say that there is something in the inbox; returns at once."""
        self._wake.set()
        with self._starting:
            if not self._stop.is_set() and not self.alive:
                self._thread = threading.Thread(target=self._run, name="inbox", daemon=True)
                self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """Finish the event at hand and end the thread."""
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
                self._drain()
            except CurateError as error:
                log.warning("inbox: %s; trying again in %.0f s", error, self._period)

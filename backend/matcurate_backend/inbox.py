"""A thread that empties the inbox: woken by webhooks, and now and then by itself, since webhooks get lost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from matcurate.errors import CurateError

log = logging.getLogger(__name__)


class InboxThread:
    """Calls ``drain`` whenever :meth:`wake` is called, and every ``period`` seconds.

    Parameters
    ----------
    drain : callable
        Empties the inbox; a :class:`CurateError` is logged and tried again at the next turn.
    period : float
        Seconds between two turns without a webhook.
    """

    def __init__(self, drain: Callable[[], None], period: float = 30.0) -> None:
        self._drain = drain
        self._period = period
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="inbox", daemon=True)

    def start(self) -> None:
        """Start; events left from before are handled first."""
        self._wake.set()
        self._thread.start()

    def wake(self) -> None:
        """Say that there is something in the inbox; returns at once."""
        self._wake.set()

    def stop(self) -> None:
        """Finish the event at hand and end the thread."""
        self._stop.set()
        self._wake.set()
        self._thread.join()

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

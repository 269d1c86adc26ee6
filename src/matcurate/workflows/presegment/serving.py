"""One pre-segmenter for all threads of a process; it follows promotions without a pause."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from matcurate.workflows.presegment.presegmenter import PreSegmenter

log = logging.getLogger(__name__)

Choose = Callable[[PreSegmenter | None], PreSegmenter]
"""From the present pre-segmenter to the next: the same when nothing has changed."""


class Serving:
    """Holds the pre-segmenter: chosen at first use, replaced by :meth:`follow`, segmenting for one thread at a time.

    Only :meth:`turn` waits for other threads' segmentations; reading the version does not, and while another
    pre-segmenter is loaded the present one goes on answering. A CurateError of ``choose`` goes to the caller, and the
    next call tries again.
    """

    def __init__(self, choose: Choose) -> None:
        self._choose = choose
        self._choosing = threading.Lock()
        self._segmenting = threading.Lock()
        self._held: PreSegmenter | None = None

    @property
    def held(self) -> PreSegmenter | None:
        """The pre-segmenter, None before it is loaded. Answers at once."""
        return self._held

    def load(self) -> PreSegmenter:
        """Return the pre-segmenter, loading it first if needed; raises CurateError when it cannot be loaded."""
        held = self._held
        if held is not None:
            return held
        with self._choosing:
            if self._held is None:
                self._held = self._choose(None)
            return self._held

    def follow(self) -> bool:
        """Replace the pre-segmenter where another is to serve now; returns whether it was.

        Raises CurateError when that cannot be decided or loaded: the present one stays.
        """
        with self._choosing:
            before = self._held
            self._held = self._choose(before)
            if self._held is before:
                return False
        log.info("serving %s", self._held.version)
        return True

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until no other thread segments, and keep others waiting until the block ends."""
        with self._segmenting:
            yield

"""One pre-segmenter for all threads of a process, that follows promotions without a pause."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from matcurate.workflows.presegment.presegmenter import PreSegmenter

log = logging.getLogger(__name__)

Choose = Callable[[PreSegmenter | None], PreSegmenter]
"""From what is held now to what shall be: itself when nothing has changed."""


class Serving:
    """Holds the pre-segmenter: chosen at first use, exchanged by :meth:`follow`, segmenting for one thread at a time.

    Only :meth:`turn` waits for other threads' segmentations; asking for the version does not, and while another
    pre-segmenter is loaded the one held before goes on answering.

    Parameters
    ----------
    choose : callable
        Chooses and loads; a :class:`CurateError` of it goes to the caller, and the next call tries again.
    """

    def __init__(self, choose: Choose) -> None:
        self._choose = choose
        self._choosing = threading.Lock()
        self._segmenting = threading.Lock()
        self._held: PreSegmenter | None = None

    @property
    def held(self) -> PreSegmenter | None:
        """What is held, None before it is loaded. Answers at once."""
        return self._held

    def load(self) -> PreSegmenter:
        """Return what is held, loaded when it is not yet.

        Raises
        ------
        CurateError
            When it cannot be loaded.
        """
        held = self._held
        if held is not None:
            return held
        with self._choosing:
            if self._held is None:
                self._held = self._choose(None)
            return self._held

    def follow(self) -> bool:
        """Look whether something else is to be held, load that, and exchange it; returns whether it was exchanged.

        Raises
        ------
        CurateError
            When that cannot be told or loaded: what is held stays.
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

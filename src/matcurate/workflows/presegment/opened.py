"""Images that a backbone has encoded, kept so that the next click on one is answered at once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from matcurate.imaging.frame import Frame
from matcurate.promptable.clicks import ClickedImage
from matcurate.types import BoolMask

Key = tuple[str, int]
"""Digest of the backbone, and id of the micrograph."""


@dataclass(frozen=True, eq=False)
class OpenImage:
    """An encoded micrograph: what is looked at of it, where that lies, and what is ignored (H, W), None for nothing.

    ``turn`` is held while one thread puts a question to it.
    """

    image: ClickedImage
    frame: Frame
    shape: tuple[int, int]
    ignored: BoolMask | None
    turn: threading.Lock = field(default_factory=threading.Lock)


class OpenImages:
    """Encodes one image at a time, each once however many threads ask, and keeps those used last.

    ``megapixels`` is how much is kept; the image in use is kept even if it is larger.
    """

    def __init__(self, megapixels: float) -> None:
        self._room = megapixels * 1e6
        self._kept: OrderedDict[Key, Future[OpenImage]] = OrderedDict()
        self._lock = threading.Lock()
        self._opening = ThreadPoolExecutor(1, "open-image")
        self._foreseen: Key | None = None

    def get(self, key: Key, encode: Callable[[], OpenImage]) -> OpenImage:
        """The image of a key, encoded now unless it is kept; errors are those of ``encode``."""
        while True:
            with self._lock:
                if self._foreseen == key:
                    self._foreseen = None  # now it is wanted, and no longer given up for another
                future = self._future(key, encode)
            try:
                return future.result()
            except CancelledError:
                continue  # given up between the two
            finally:
                self._shrink()

    def foresee(self, key: Key, encode: Callable[[], OpenImage]) -> None:
        """Encode an image in the background; the newest of those that wait is encoded, the others are given up."""
        with self._lock:
            if self._foreseen is not None and self._foreseen != key:
                waiting = self._kept.get(self._foreseen)
                if waiting is not None and waiting.cancel():
                    del self._kept[self._foreseen]
            if key not in self._kept:
                self._foreseen = key
                self._future(key, encode)
        self._shrink()

    def _future(self, key: Key, encode: Callable[[], OpenImage]) -> Future[OpenImage]:
        future = self._kept.pop(key, None)
        if future is None or future.cancelled() or (future.done() and future.exception() is not None):
            future = self._opening.submit(encode)
        self._kept[key] = future
        return future

    def _shrink(self) -> None:
        with self._lock:
            sizes = {
                key: future.result().shape
                for key, future in self._kept.items()
                if future.done() and not future.cancelled() and future.exception() is None
            }
            total = sum(height * width for height, width in sizes.values())
            for key, (height, width) in list(sizes.items())[:-1]:
                if total <= self._room:
                    return
                del self._kept[key]
                total -= height * width

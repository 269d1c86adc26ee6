"""Images kept open for clicks: each encoded once, a bounded number of pixels, errors not kept."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from matcurate.errors import UnreadableImageError
from matcurate.imaging.frame import Frame
from matcurate.promptable.clicks import ClickedImage, PlainPredictor
from matcurate.workflows.presegment.opened import OpenImage, OpenImages

SHAPE = (100, 200)


def opened(shape: tuple[int, int] = SHAPE) -> OpenImage:
    plain = PlainPredictor(np.zeros((4, 6), dtype=np.uint8))
    return OpenImage(ClickedImage(plain, None), Frame(0, 0, *shape), shape, None)


class Encoder:
    """Counts what it encodes; waits for ``free`` where one is given."""

    def __init__(self, free: threading.Event | None = None) -> None:
        self.encoded: list[int] = []
        self._free = free

    def of(self, number: int) -> Callable[[], OpenImage]:
        def encode() -> OpenImage:
            if self._free is not None:
                self._free.wait(10)
            self.encoded.append(number)
            return opened()

        return encode


def test_many_clicks_at_once_encode_an_image_once() -> None:
    free, images = threading.Event(), OpenImages(1)
    encoder = Encoder(free)
    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(images.get, ("b", k % 2), encoder.of(k % 2)) for k in range(16)]
        free.set()
        answers = [each.result() for each in asked]
    assert sorted(encoder.encoded) == [0, 1]
    assert len({id(answer) for answer in answers}) == 2 and answers[0] is answers[2]


def test_the_one_used_longest_ago_goes() -> None:
    images, encoder = OpenImages(0.05), Encoder()  # room for two of 20,000 pixels
    for number in (1, 2, 1, 3, 1, 2):
        images.get(("b", number), encoder.of(number))
    assert encoder.encoded == [1, 2, 3, 2]


def test_an_image_larger_than_the_room_is_kept_while_it_is_used() -> None:
    images, encoder = OpenImages(0.001), Encoder()
    for number in (1, 1, 2, 2, 1):
        images.get(("b", number), encoder.of(number))
    assert encoder.encoded == [1, 2, 1]


def test_an_error_reaches_everyone_and_is_not_kept() -> None:
    images, encoder = OpenImages(1), Encoder()

    def fail() -> OpenImage:
        raise UnreadableImageError("x.tif is damaged")

    for _ in range(2):
        with pytest.raises(UnreadableImageError, match=r"x.tif"):
            images.get(("b", 1), fail)
    images.get(("b", 1), encoder.of(1))
    assert encoder.encoded == [1]


def test_of_those_foreseen_the_newest_is_encoded() -> None:
    free, images = threading.Event(), OpenImages(1)
    encoder = Encoder(free)
    images.foresee(("b", 0), encoder.of(0))
    while not images._opening._work_queue.empty():  # the first has begun
        pass
    for number in (1, 2, 3):
        images.foresee(("b", number), encoder.of(number))
    free.set()
    images.get(("b", 3), encoder.of(3))
    images.get(("b", 4), encoder.of(4))
    assert encoder.encoded == [0, 3, 4]

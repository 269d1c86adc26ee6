"""Large images in strips of rows, to limit the memory of intermediate arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

STRIP = 8_000_000
"""Pixels of a strip."""


@dataclass(frozen=True, slots=True)
class Strip:
    """Rows ``inner``, and the same with a margin above and below, ``outer``; ``own`` is the first within the second."""

    inner: slice
    outer: slice
    own: slice


def strips(shape: tuple[int, ...], margin: int) -> Iterator[Strip]:
    """Cover an image (H, W) with strips of about :data:`STRIP` pixels that see ``margin`` rows beyond their own."""
    height, width = shape
    rows = max(margin, STRIP // width, 1)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        first, last = max(0, top - margin), min(height, bottom + margin)
        yield Strip(slice(top, bottom), slice(first, last), slice(top - first, bottom - first))

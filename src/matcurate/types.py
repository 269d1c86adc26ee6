"""Frozen values shared by every layer. They check themselves; what receives them trusts them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]
"""Grey pixels (H, W): uint8, uint16 or float32."""
LabelMap = NDArray[np.unsignedinteger[Any]]
"""Class or instance ids (H, W), 0 is background."""
UNKNOWN = 255
"""Phase id of pixels that count for nothing, in labels that are learned from or compared; no project has so many."""
BoolMask = NDArray[np.bool_]
FloatArray = NDArray[np.floating[Any]]
Side = Literal["bright", "dark"]
SIDES: tuple[Side, ...] = ("bright", "dark")
"""Towards which an object differs in grey from what is around it."""
Trust = Literal["measured", "guess"]
"""Of an expert's area fractions: ``measured`` (point count, EDS, another instrument) are met fully, a ``guess`` is
weighed against the model's estimate."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Physical size of a pixel: its width ``nm_per_px``, and ``aspect``, its height over its width.

    Both are positive and finite; a tilted specimen or a slow scan gives an aspect other than 1. ``source`` says what
    states the size, as ``FEI Scan.PixelWidth``, empty where unknown, and plays no part in a comparison.

    >>> Calibration(10.0, aspect=1.5).nm_per_px_y
    15.0
    """

    nm_per_px: float
    aspect: float = 1.0
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        for name, value in (("nm_per_px", self.nm_per_px), ("aspect", self.aspect)):
            if not 0 < value < float("inf"):  # also refuses NaN
                raise ValueError(f"{name} must be positive and finite, got {value}")

    @property
    def nm_per_px_y(self) -> float:
        """Height of a pixel in nanometres."""
        return self.nm_per_px * self.aspect

    @classmethod
    def of_edges(cls, nm_per_px: float | None, nm_per_px_y: float | None = None) -> Calibration | None:
        """From width and height in nanometres; square without a height, None without a width.

        Examples
        --------
        >>> Calibration.of_edges(10.0, 16.0)
        Calibration(nm_per_px=10.0, aspect=1.6, source='')
        """
        if nm_per_px is None:
            return None
        return cls(nm_per_px) if nm_per_px_y is None else cls(nm_per_px, nm_per_px_y / nm_per_px)


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One proposed region: a mask inside its bounding box, and its predicted quality (SAM's predicted IoU) in [0, 1].

    ``top``, ``left`` is the pixel of ``mask[0, 0]`` in the image; ``mask`` (h, w) touches every side of its box unless
    empty.
    """

    top: int
    left: int
    mask: BoolMask
    quality: float

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.dtype != np.bool_:
            raise ValueError(f"mask must be a 2-D bool array, got {self.mask.dtype} {self.mask.shape}")
        if not 0.0 <= self.quality <= 1.0:
            raise ValueError(f"quality must lie in [0, 1], got {self.quality}")

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(np.count_nonzero(self.mask))

    @property
    def box(self) -> tuple[int, int, int, int]:
        """(top, left, bottom, right), bottom and right exclusive."""
        height, width = self.mask.shape
        return self.top, self.left, self.top + height, self.left + width

    def rated(self, quality: float) -> Candidate:
        """The same region with another quality."""
        return Candidate(self.top, self.left, self.mask, quality)

    def paint(self, shape: tuple[int, int]) -> BoolMask:
        """Return the region as a full mask of ``shape`` (H, W)."""
        full = np.zeros(shape, dtype=np.bool_)
        top, left, bottom, right = self.box
        full[top:bottom, left:right] = self.mask
        return full


def intersection(a: Candidate, b: Candidate) -> int:
    """Number of pixels that two candidates share, found inside the part that their boxes share."""
    (top_a, left_a, bottom_a, right_a), (top_b, left_b, bottom_b, right_b) = a.box, b.box
    top, left = max(top_a, top_b), max(left_a, left_b)
    bottom, right = min(bottom_a, bottom_b), min(right_a, right_b)
    if bottom <= top or right <= left:
        return 0
    part_a = a.mask[top - top_a : bottom - top_a, left - left_a : right - left_a]
    part_b = b.mask[top - top_b : bottom - top_b, left - left_b : right - left_b]
    return int(np.count_nonzero(part_a & part_b))


class Progress(Protocol):
    """Receives how far a long piece of work has come: ``done`` of ``total``, and what is at hand."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Report progress."""


def silent(done: int, total: int, note: str = "") -> None:
    """Progress for callers that show none."""

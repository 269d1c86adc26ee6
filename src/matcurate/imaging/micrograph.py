"""The micrograph: grey pixels with what is known about them."""

from dataclasses import dataclass

import numpy as np

from matcurate.imaging.metadata import UNKNOWN, Acquisition
from matcurate.types import Calibration, Pixels

DEPTHS = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32))
"""The depths a micrograph may have; readers turn every other one into the narrowest of these that holds it."""


@dataclass(frozen=True, slots=True, eq=False)
class Micrograph:
    """One grey image (H, W), finite, in the depth it was recorded in: uint8, uint16 or float32.

    ``calibration`` is the pixel size, when the file states a believable one. ``page`` of ``pages`` counts from 0;
    ``page_name`` is the slice, channel or detector, empty where the file names none. ``warnings`` has a line for each
    thing in the file that contradicts what is used of it.
    """

    pixels: Pixels
    calibration: Calibration | None
    name: str
    page: int = 0
    pages: int = 1
    page_name: str = ""
    acquisition: Acquisition = UNKNOWN
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.pixels.ndim != 2 or self.pixels.size == 0:
            raise ValueError(f"pixels must be a non-empty 2-D array, got shape {self.pixels.shape}")
        if self.pixels.dtype not in DEPTHS:
            raise ValueError(f"pixels must be uint8, uint16 or float32, got {self.pixels.dtype}")
        if self.pixels.dtype == np.float32 and not np.isfinite(self.pixels).all():
            raise ValueError("pixels must be finite, got NaN or infinity")
        if not 0 <= self.page < self.pages:
            raise ValueError(f"page must lie in [0, {self.pages}), got {self.page}")

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        height, width = self.pixels.shape
        return height, width

"""The built-in network's outputs for every pixel of a micrograph."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.floating]


@dataclass(frozen=True, slots=True, eq=False)
class ObjectMaps:
    """Maps (H, W) with values in [0, 1]; ValueError when the shapes differ.

    ``foreground`` is the probability of an object, not matrix, ``contact`` that of the border between two objects that
    touch, ``boundary`` that of the outline of any object. ``distance`` is the depth inside the object: 0 at its
    outline, 1 at its middle.
    """

    foreground: Map
    contact: Map
    boundary: Map
    distance: Map

    def __post_init__(self) -> None:
        shapes = {values.shape for values in (self.foreground, self.contact, self.boundary, self.distance)}
        if len(shapes) != 1 or self.foreground.ndim != 2:
            raise ValueError(f"maps must share one (H, W), got {sorted(shapes)}")

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        height, width = self.foreground.shape
        return height, width

    def border_strength(self) -> NDArray[np.float32]:
        """Probability (H, W) that a border of objects runs through a pixel, highest in the border's middle."""
        both = (self.contact.astype(np.float32) + self.boundary.astype(np.float32)) / 2
        return np.asarray(cv2.GaussianBlur(both, (0, 0), 0.7), dtype=np.float32)

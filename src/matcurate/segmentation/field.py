"""The round field of view of tomographic slices, outside which there is nothing to segment.

A reconstruction fills the corners of a slice with one grey level, black or mid-grey. The rule: all four corners show
the same flat grey; what is connected to them at that grey leaves a disc, which is nearly as wide as the image is high
or wide; and the surroundings have less than half of the noise inside. A round object on a ground that was measured has
noise on both sides of its outline.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import label
from skimage.morphology import convex_hull_image

from matcurate.types import BoolMask, Pixels

CORNER = 24
"""A corner is a square of this fraction (1 / 24) of the shorter edge."""
FLAT = 0.25
"""Largest spread of the grey levels in the corners, over that of the image's middle."""
SMALLEST_EDGE = 48
LEAST_WIDTH = 0.8
"""Minimum diameter of the disc, over the shorter edge of the image."""
ROUND = 0.97
"""Minimum intersection over union of what the corners leave with the disc fitted to it."""
EMPTY = 0.995
"""Minimum share of the surroundings that has the grey of the corners."""
CALM = 0.5
"""Largest noise of the surroundings, over that inside."""
RIM = 2.0
"""Pixels at the rim of the disc that are blurred into the surroundings; they count as outside."""


@dataclass(frozen=True, slots=True)
class Disc:
    """Field of view: centre (x, y) and radius in pixels."""

    x: float
    y: float
    radius: float

    def mask(self, shape: tuple[int, int]) -> BoolMask:
        """Pixels (H, W) inside."""
        rows, columns = np.ogrid[: shape[0], : shape[1]]
        return np.asarray((columns - self.x) ** 2 + (rows - self.y) ** 2 <= self.radius**2)

    def filled(self, pixels: Pixels) -> Pixels:
        """Micrograph (H, W) whose surroundings mirror what lies inside, so that the rim is no edge."""
        rows, columns = np.indices(pixels.shape, dtype=np.float32)
        right, down = columns - np.float32(self.x), rows - np.float32(self.y)
        distance = np.maximum(np.hypot(right, down), 1e-6)
        mirrored = self.radius - np.abs(self.radius - distance) % self.radius
        share = np.where(distance > self.radius, mirrored / distance, 1.0)
        across, along = (np.float32(self.x) + share * right), (np.float32(self.y) + share * down)
        kept = self.mask((pixels.shape[0], pixels.shape[1]))
        image = pixels if pixels.dtype in (np.uint8, np.uint16) else pixels.astype(np.float32)
        around = cv2.remap(
            image, across.astype(np.float32), along.astype(np.float32), cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT
        )
        return np.asarray(np.where(kept, pixels, around), dtype=pixels.dtype)


def field_of_view(pixels: Pixels) -> Disc | None:
    """Disc that a slice (H, W) shows something in; None for images that are seen as a whole."""
    height, width = pixels.shape
    if min(height, width) < SMALLEST_EDGE:
        return None
    grey = np.asarray(cv2.GaussianBlur(pixels.astype(np.float32), (0, 0), 1.0), dtype=np.float32)
    size = min(height, width) // CORNER
    corners = [grey[rows, columns] for rows in (slice(size), slice(-size, None)) for columns in _ends(size)]
    middle = grey[height // 4 : -height // 4, width // 4 : -width // 4]
    spread = float(np.std(middle))
    levels = [float(np.median(corner)) for corner in corners]
    unrest = max(float(np.ptp(levels)), *(float(np.std(corner)) for corner in corners))
    if spread == 0 or unrest > FLAT * spread:
        return None
    flat = np.abs(grey - np.float32(np.median(levels))) <= max(4 * unrest, 0.1 * spread)
    inside = _left(flat)
    disc = _fitted(inside) if inside.any() else None
    if disc is None or 2 * disc.radius < LEAST_WIDTH * min(height, width):
        return None
    fitted = disc.mask((height, width))
    alike = np.count_nonzero(fitted & inside) >= ROUND * np.count_nonzero(fitted | inside)
    beyond = ~Disc(disc.x, disc.y, disc.radius + RIM).mask((height, width))
    empty = np.count_nonzero(flat & beyond) >= EMPTY * np.count_nonzero(beyond)
    unmeasured = _noise(pixels, beyond) <= CALM * _noise(pixels, fitted)
    return Disc(disc.x, disc.y, disc.radius - RIM) if alike and empty and unmeasured else None


def _noise(pixels: Pixels, where: BoolMask) -> float:
    """Mean absolute difference that a blur makes."""
    image = pixels.astype(np.float32)
    return float(np.abs(image - cv2.GaussianBlur(image, (0, 0), 1.0))[where].mean()) if where.any() else 0.0


def _ends(size: int) -> tuple[slice, slice]:
    return slice(size), slice(-size, None)


def _left(flat: BoolMask) -> BoolMask:
    """Convex hull of what is not connected to the corners at their grey."""
    labels, _ = label(flat)
    height, width = flat.shape
    outside = np.isin(labels, [labels[y, x] for y in (0, height - 1) for x in (0, width - 1)]) & flat
    rest = label(~outside)[0]
    if not rest.any():
        return np.zeros(flat.shape, dtype=np.bool_)
    largest = np.argmax(np.bincount(rest.ravel())[1:]) + 1
    return np.asarray(convex_hull_image(rest == largest))


def _fitted(inside: BoolMask) -> Disc | None:
    """Circle through the outline of a region where it is not the frame (algebraic fit, Kåsa 1976)."""
    core = cv2.erode(inside.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1).astype(np.bool_)
    y, x = np.nonzero(inside & ~core)
    if len(x) < SMALLEST_EDGE:
        return None
    system = np.stack([x, y, np.ones(len(x))], axis=1).astype(np.float64)
    (twice_x, twice_y, rest), *_ = np.linalg.lstsq(system, (x.astype(np.float64) ** 2 + y**2), rcond=None)
    squared = rest + (twice_x**2 + twice_y**2) / 4
    return Disc(float(twice_x / 2), float(twice_y / 2), float(np.sqrt(squared))) if squared > 0 else None

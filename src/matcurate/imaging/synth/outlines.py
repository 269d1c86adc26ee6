"""Closed outlines of particles: round, faceted, rods, cubes, shards; and stamping them onto the canvas."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from matcurate.imaging.synth.canvas import Canvas
from matcurate.imaging.synth.placement import FloatPoints

SUBPIXEL = 4
"""Binary digits behind the point with which an outline is filled."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How the outlines of one population of particles vary.

    ``corners`` of the polygon (0 is round) move by ``irregular`` radii, [0, 0.6], and are rounded by ``rounding`` of
    the perimeter, [0, 0.1]. ``aspect`` is the range of long over short axis, >= 1. ``wobble`` is the relative roughness
    of the outline, [0, 0.3], of at most ``waves`` waves around it. ``capped``: the length is a straight shank between
    two round ends (a rod) instead of a stretched outline.
    """

    corners: int = 0
    aspect: tuple[float, float] = (1.0, 1.2)
    irregular: float = 0.0
    rounding: float = 0.03
    wobble: float = 0.03
    waves: int = 5
    capped: bool = False

    def outlines(
        self, rng: np.random.Generator, radii: NDArray[np.float64], angles: NDArray[np.float64]
    ) -> list[FloatPoints]:
        """Outlines (M, 2) as (row, column) about their centres, one for each radius (N,).

        The radius is that of the circle around the outline; ``angles`` (N,) are directions of the long axes, radians.
        """
        count = len(radii)
        points = self._faceted(rng, count) if self.corners else _circles(count, 72 if max(radii, default=0) > 8 else 32)
        points = points * (1 + self._roughness(rng, count, points.shape[1]))[..., None]
        aspect = rng.uniform(*self.aspect, count)[:, None]
        along, across = points[..., 1], points[..., 0]
        if self.capped:
            along = along / aspect + np.sign(along) * (1 - 1 / aspect)
        turn = angles[:, None]
        rows = along * np.sin(turn) + across / aspect * np.cos(turn)
        columns = along * np.cos(turn) - across / aspect * np.sin(turn)
        return list(np.stack([rows, columns], axis=-1) * radii[:, None, None])

    def _faceted(self, rng: np.random.Generator, count: int) -> FloatPoints:
        """Polygons with rounded corners in the unit circle, float (count, M, 2)."""
        step = 2 * math.pi / self.corners
        at = step * (np.arange(self.corners) + 0.5 + self.irregular * rng.uniform(-1, 1, (count, self.corners)))
        reach = 1 - self.irregular * rng.random((count, self.corners))
        corners = np.stack([np.sin(at), np.cos(at)], axis=-1) * reach[..., None]
        sides = max(6, 64 // self.corners)
        share = (np.arange(sides) / sides)[:, None]
        points = corners[:, :, None] * (1 - share) + np.roll(corners, -1, axis=1)[:, :, None] * share
        points = points.reshape(count, self.corners * sides, 2)
        frequency = np.fft.rfftfreq(points.shape[1], 1 / points.shape[1])[:, None]
        soft = np.exp(-2 * (math.pi * frequency * self.rounding) ** 2)
        rounded = np.fft.irfft(np.fft.rfft(points, axis=1) * soft, points.shape[1], axis=1)
        return np.asarray(rounded, dtype=np.float64)

    def _roughness(self, rng: np.random.Generator, count: int, points: int) -> NDArray[np.float64]:
        """Relative change of the radius, float (count, points)."""
        orders = np.arange(2, max(self.waves, 2) + 1)
        theta = np.arange(points) * (2 * math.pi / points)
        heights = self.wobble * rng.uniform(-1, 1, (count, len(orders))) / np.sqrt(orders)
        phases = rng.uniform(0, 2 * math.pi, (count, len(orders)))
        waves = np.cos(orders[:, None] * theta + phases[..., None])
        return np.asarray(np.einsum("no,nop->np", heights, waves), dtype=np.float64)


def _circles(count: int, points: int) -> FloatPoints:
    theta = (np.arange(points) + 0.5) * (2 * math.pi / points)  # no point on the axis, where a shank is inserted
    circle: FloatPoints = np.stack([np.sin(theta), np.cos(theta)], axis=-1)
    return np.broadcast_to(circle, (count, points, 2))


@dataclass(frozen=True, slots=True, eq=False)
class Stamp:
    """Outline number ``index`` on the pixel grid: its ``window`` of rows and columns, and its depth there.

    ``depth`` (h, w) is the distance below the outline in pixels; outside it is 0, or negative when the window has
    reach. ``size`` is the largest depth of the whole object, also where the canvas cuts it.
    """

    index: int
    window: tuple[slice, slice]
    depth: NDArray[np.float32]
    size: float

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Pixels of the object, bool (h, w)."""
        return self.depth > 0


def stamps(
    canvas: Canvas, centres: FloatPoints, outlines: Sequence[FloatPoints], reach: float = 0.0
) -> Iterator[Stamp]:
    """Stamp outlines (M, 2) about their centres (N, 2) one after the other; those that miss the canvas are skipped.

    ``reach`` is how far around its outline an object's window extends, in shares of its size.
    """
    limit = np.array([canvas.height, canvas.width])
    for index, (centre, outline) in enumerate(zip(centres, outlines, strict=True)):
        points = outline + centre
        lowest, highest = points.min(axis=0), points.max(axis=0)
        margin = 2 + math.ceil(reach * float((highest - lowest).min()) / 2)
        low = np.floor(lowest).astype(np.int64) - margin
        high = np.ceil(highest).astype(np.int64) + margin + 1
        first, last = np.maximum(low, 0), np.minimum(high, limit)
        if (first >= last).any():
            continue
        filled = np.zeros(tuple(high - low), dtype=np.uint8)
        places = np.rint((points - low)[:, ::-1] * 2**SUBPIXEL).astype(np.int32)
        cv2.fillPoly(filled, [places], 1, shift=SUBPIXEL)
        depth = np.asarray(cv2.distanceTransform(filled, cv2.DIST_L2, 5), dtype=np.float32)
        size = max(float(depth.max()), 1.0)
        if reach > 0:
            depth = depth - np.asarray(cv2.distanceTransform(1 - filled, cv2.DIST_L2, 5), dtype=np.float32)
        cut = tuple(slice(a, b) for a, b in zip(first - low, last - low, strict=True))
        yield Stamp(index, (slice(first[0], last[0]), slice(first[1], last[1])), depth[cut], size)


def stamped(
    canvas: Canvas, centres: FloatPoints, outlines: Sequence[FloatPoints]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Number of the outline at every pixel, earlier ones on top, -1 outside, and the depth in it, 0 outside; (H, W)."""
    owner = np.full((canvas.height, canvas.width), -1, dtype=np.int64)
    depth = np.zeros(owner.shape, dtype=np.float32)
    for stamp in stamps(canvas, centres, outlines):
        free = stamp.inside & (owner[stamp.window] < 0)
        owner[stamp.window][free] = stamp.index
        depth[stamp.window][free] = stamp.depth[free]
    return owner, depth

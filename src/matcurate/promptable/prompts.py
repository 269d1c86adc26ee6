"""Checks of prompts that every backbone does first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matcurate.promptable.protocol import PointLabels
from matcurate.types import FloatArray

FOREGROUND, BACKGROUND, PADDING = 1, 0, -1


def checked_prompts(
    points: FloatArray, labels: PointLabels, shape: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return prompts on an image (H, W) as float64 (B, N, 2) and int64 (B, N).

    ``points`` are (x, y) in pixels, 0 <= x < W and 0 <= y < H wherever the label is not padding; ``labels`` are 1
    foreground, 0 background, -1 padding. Raises ValueError when the shapes do not match, a label is none of the three,
    or a point lies outside the image.
    """
    places = np.asarray(points, dtype=np.float64)
    kinds = np.asarray(labels)
    if places.ndim != 3 or places.shape[2] != 2 or kinds.shape != places.shape[:2]:
        raise ValueError(f"points must be (B, N, 2) and labels (B, N), got {places.shape} and {np.shape(labels)}")
    if not np.isin(kinds, (FOREGROUND, BACKGROUND, PADDING)).all():
        raise ValueError("labels must be 1 (foreground), 0 (background) or -1 (padding)")
    height, width = shape
    inside = ((places >= 0) & (places < (width, height))).all(axis=2)
    outside = ~inside & (kinds != PADDING)
    if outside.any():
        x, y = places[outside][0]
        raise ValueError(f"point (x={x:g}, y={y:g}) lies outside the image of {width} x {height} pixels")
    return places, kinds.astype(np.int64)


def pixel_prompts(
    points: FloatArray, labels: PointLabels, shape: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return checked prompts as pixel numbers (B, N), row by row, and labels (B, N); padding is at pixel 0.

    Parameters and errors are those of :func:`checked_prompts`.
    """
    places, kinds = checked_prompts(points, labels, shape)
    columns, rows = np.where((kinds != PADDING)[..., None], places, 0).astype(np.int64).transpose(2, 0, 1)
    return rows * shape[1] + columns, kinds


def checked_boxes(boxes: FloatArray, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return boxes (B, 4) of (x0, y0, x1, y1) as (top, left, bottom, right), cut at the edge of the image (H, W).

    They are in pixels, x1 and y1 exclusive, x0 < x1 and y0 < y1. Raises ValueError when the shape is another, a box is
    empty or not finite, or lies outside the image.
    """
    corners = np.asarray(boxes, dtype=np.float64)
    if corners.ndim != 2 or corners.shape[1] != 4:
        raise ValueError(f"boxes must be (B, 4), got {corners.shape}")
    height, width = shape
    cut = np.clip(corners, 0, (width, height, width, height))[:, [1, 0, 3, 2]]
    empty = ~((cut[:, 0] < cut[:, 2]) & (cut[:, 1] < cut[:, 3]))  # also refuses NaN
    if empty.any():
        x0, y0, x1, y1 = corners[empty][0]
        where = f"(x0={x0:g}, y0={y0:g}, x1={x1:g}, y1={y1:g})"
        raise ValueError(f"box {where} holds no pixel of the image of {width} x {height} pixels")
    return cut

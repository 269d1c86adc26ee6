"""What every promptable backbone speaks: SAM's predictor interface on sparse masks."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from matcurate.types import Candidate, FloatArray, Pixels, Side

PointLabels = NDArray[np.integer]
"""(B, N): 1 foreground, 0 background, -1 padding."""


class PromptPredictor(Protocol):
    """One prepared image that answers prompts."""

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the image."""
        ...

    def predict(self, points: FloatArray, labels: PointLabels) -> list[tuple[Candidate, ...]]:
        """Answer B prompts of N points each.

        Parameters
        ----------
        points : float array (B, N, 2)
            (x, y) in pixels; x runs along the width.
        labels : int array (B, N)
            1 foreground, 0 background, -1 padding.

        Returns
        -------
        list of B tuples
            At most three nested candidates for each prompt, smallest first; empty where nothing is found.
        """
        ...

    def predict_boxes(self, boxes: FloatArray) -> list[tuple[Candidate, ...]]:
        """Answer B boxes, each drawn around one object.

        Parameters
        ----------
        boxes : float array (B, 4)
            (x0, y0, x1, y1) in pixels; x runs along the width, x1 and y1 are exclusive.

        Returns
        -------
        list of B tuples
            At most three candidates for each box, smallest first; empty where nothing is found.

        Raises
        ------
        ValueError
            When a box is empty, not finite, or lies outside the image.
        """
        ...


@runtime_checkable
class Exhaustive(Protocol):
    """A predictor that can also propose a non-overlapping set of regions without any prompt."""

    def regions(self, side: Side) -> tuple[Candidate, ...]:
        """Non-overlapping regions brighter (or darker) than their surroundings."""
        ...


@runtime_checkable
class Contrasting(Protocol):
    """A predictor that can be had for less where objects need not be told from others of their grey that they touch."""

    def contrasting(self, sides: tuple[Side, ...], least: float) -> PromptPredictor:
        """The same image, known only by regions that differ in grey from what is around them, towards these sides.

        Only answers of a quality of ``least`` or more are made.
        """
        ...


@runtime_checkable
class Tiling(Protocol):
    """A predictor that can also part the whole image into regions without any prompt."""

    def tiles(self, smallest: int) -> tuple[Candidate, ...]:
        """Regions of at least ``smallest`` pixels; every pixel belongs to exactly one."""
        ...


class Backbone(Protocol):
    """A model, or a rule, that turns a micrograph into a :class:`PromptPredictor`."""

    @property
    def name(self) -> str:
        """Registry name: ``tree``, ``vit_b`` …."""
        ...

    @property
    def digest(self) -> str:
        """Hex SHA-256 over weights or, without weights, over the algorithm's version and settings."""
        ...

    def open(self, pixels: Pixels) -> PromptPredictor:
        """Prepare an image (H, W) of uint8, uint16 or float; the expensive part (encoding) happens here."""
        ...

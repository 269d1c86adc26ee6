"""What every promptable backbone speaks: SAM's predictor interface on sparse masks."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from matcurate.promptable.builtin.maps import ObjectMaps
from matcurate.types import Candidate, FloatArray, Pixels

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
    """A predictor that can also propose regions without any prompt."""

    maps: ObjectMaps
    """Of the image."""

    def regions(self, quality: float) -> tuple[Candidate, ...]:
        """All regions of at least a quality, the best first; one may hold others."""
        ...


class Backbone(Protocol):
    """A model, or a rule, that turns a micrograph into a :class:`PromptPredictor`."""

    @property
    def name(self) -> str:
        """Registry name: ``builtin``, ``vit_b`` …."""
        ...

    @property
    def digest(self) -> str:
        """Hex SHA-256 over weights or, without weights, over the algorithm's version and settings."""
        ...

    def open(self, pixels: Pixels) -> PromptPredictor:
        """Prepare an image (H, W) of uint8, uint16 or float; the expensive part (encoding) happens here."""
        ...


@runtime_checkable
class ObjectMapper(Protocol):
    """A backbone that maps all objects of a micrograph at once, so that no prompts are needed to segment it."""

    def maps(self, pixels: Pixels) -> ObjectMaps:
        """Maps of an image (H, W) of uint8, uint16 or float.

        Raises
        ------
        ValueError
            When the image is not two-dimensional, is empty or is not finite.
        """
        ...

"""What every promptable backbone speaks: SAM's predictor interface on sparse masks."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

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


@runtime_checkable
class Exhaustive(Protocol):
    """A predictor that can also propose a non-overlapping set of regions without any prompt."""

    def regions(self, side: Literal["bright", "dark"]) -> tuple[Candidate, ...]:
        """Non-overlapping regions brighter (or darker) than their surroundings."""
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

"""The interface of every promptable backbone: SAM's predictor on sparse masks, and traits for what else it can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from matcurate.promptable.builtin.maps import ObjectMaps
from matcurate.types import Candidate, FloatArray, Pixels

PointLabels = NDArray[np.integer]
"""(B, N): 1 foreground, 0 background, -1 padding."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What a backbone can do beyond answering prompts.

    ``family`` is its architecture, and the name of its preset in ``configs/phase``; a rule has no weights to adapt.
    ``maps_objects``: it is an :class:`ObjectMapper`. ``drafts``: it is a :class:`~matcurate.promptable.drafts.Drafter`.
    ``embeds``: it is an :class:`Encoder`.
    """

    family: Literal["builtin", "sam", "rule"]
    maps_objects: bool = False
    drafts: bool = False
    embeds: bool = False


class PromptPredictor(Protocol):
    """One encoded image that answers prompts."""

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the image."""
        ...

    def predict(self, points: FloatArray, labels: PointLabels) -> list[tuple[Candidate, ...]]:
        """Answer B prompts of N points each with at most three nested candidates, smallest first.

        ``points`` (B, N, 2) are (x, y) in pixels, x along the width; ``labels`` (B, N) are 1 foreground, 0 background,
        -1 padding. Returns B tuples, empty where nothing is found. Raises ValueError when a point that is not padding
        lies outside the image, or shapes or labels are wrong.
        """
        ...

    def predict_boxes(self, boxes: FloatArray) -> list[tuple[Candidate, ...]]:
        """Answer B boxes, each drawn around one object, with at most three candidates, smallest first.

        ``boxes`` (B, 4) are (x0, y0, x1, y1) in pixels, x along the width, x1 and y1 exclusive. Raises ValueError when
        a box is empty, not finite, or lies outside the image.
        """
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

    @property
    def traits(self) -> Traits:
        """What it can do beyond answering prompts."""
        ...

    def open(self, pixels: Pixels) -> PromptPredictor:
        """Encode an image (H, W) of uint8, uint16 or float; this is the expensive part."""
        ...


class RegionProposer(PromptPredictor, Protocol):
    """A predictor that also proposes regions without any prompt."""

    maps: ObjectMaps

    def regions(self, quality: float) -> tuple[Candidate, ...]:
        """All regions of at least a quality, the best first; one may hold others."""
        ...


class ObjectMapper(Backbone, Protocol):
    """A backbone that maps all objects of a micrograph at once, so that no prompts are needed to segment it."""

    def maps(self, pixels: Pixels) -> ObjectMaps:
        """Maps of an image (H, W) of uint8, uint16 or float; ValueError when it is empty, not 2-D, or not finite."""
        ...

    def open(self, pixels: Pixels) -> RegionProposer:
        """Encode an image (H, W)."""
        ...


class EncodedImage(PromptPredictor, Protocol):
    """A predictor that can show what its encoder made of the image."""

    def features(self) -> NDArray[np.float32]:
        """Embedding (h, w, C) over the image alone, without padding."""
        ...


class Encoder(Backbone, Protocol):
    """A backbone whose images show their embedding."""

    def open(self, pixels: Pixels) -> EncodedImage:
        """Encode an image (H, W)."""
        ...


def maps_objects(backbone: Backbone) -> TypeGuard[ObjectMapper]:
    """Whether a backbone is an :class:`ObjectMapper`, by its traits."""
    return backbone.traits.maps_objects


def embeds(backbone: Backbone) -> TypeGuard[Encoder]:
    """Whether a backbone is an :class:`Encoder`, by its traits."""
    return backbone.traits.embeds

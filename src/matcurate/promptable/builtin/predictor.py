"""The built-in network behind SAM's predictor interface."""

from __future__ import annotations

import hashlib
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from matcurate.config import Strict
from matcurate.promptable.builtin.maps import ObjectMaps
from matcurate.promptable.builtin.network import fused
from matcurate.promptable.builtin.quality import RegionQuality
from matcurate.promptable.builtin.regions import regions_of
from matcurate.promptable.builtin.scales import joined_maps
from matcurate.promptable.builtin.standard import softened
from matcurate.promptable.builtin.weights import Weights
from matcurate.promptable.hierarchy import Nodes
from matcurate.promptable.nested import NestedRegions
from matcurate.promptable.prompts import FOREGROUND, PADDING, checked_boxes, pixel_prompts
from matcurate.promptable.protocol import PointLabels, Traits
from matcurate.promptable.refining import refined
from matcurate.types import Candidate, FloatArray, Pixels

VERSION = 8
NEARLY = 0.8
"""A region that fits all points is kept where it is nearly as good as the answer to the first point alone."""


class BuiltinSettings(Strict):
    """Which regions are answers to prompts."""

    min_area: int = Field(default=4, ge=1, description="Smallest answer in pixels.")
    max_share: float = Field(default=0.95, gt=0, le=1, description="Largest answer, as part of the image.")
    min_quality: float = Field(default=0.05, ge=0, lt=1, description="Lowest quality of an answer.")
    nesting: float = Field(default=0.7, gt=0, lt=1, description="Largest IoU of two nested answers to one prompt.")


DEFAULT = BuiltinSettings()


class BuiltinBackbone:
    """Maps of objects for whole micrographs, and nested regions between their borders for prompts."""

    traits = Traits("builtin", maps_objects=True)

    def __init__(self, weights: Weights, settings: BuiltinSettings = DEFAULT) -> None:
        self.weights, self.settings = weights, settings
        self._network = fused(weights.network)

    @property
    def name(self) -> str:
        """Registry name."""
        return "builtin"

    @property
    def digest(self) -> str:
        """Hex SHA-256 over the weights, the version of the algorithm and its settings."""
        text = f"builtin {VERSION} {self.weights.digest} {self.settings.model_dump_json()}"
        return hashlib.sha256(text.encode()).hexdigest()

    def maps(self, pixels: Pixels) -> ObjectMaps:
        """Run the network over an image (H, W); ValueError when it is not two-dimensional, empty or not finite."""
        return ObjectMaps(*joined_maps(self._network, softened(pixels)))

    def open(self, pixels: Pixels) -> BuiltinPredictor:
        """Run the network over an image (H, W); regions are made when first needed. Errors as of :meth:`maps`."""
        return BuiltinPredictor(self.maps(pixels), self.weights.quality, self.settings)


class BuiltinPredictor:
    """The maps of one image, and answers to prompts."""

    def __init__(self, maps: ObjectMaps, quality: RegionQuality, settings: BuiltinSettings = DEFAULT) -> None:
        self.maps, self._quality, self._settings = maps, quality, settings

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the image."""
        return self.maps.shape

    @cached_property
    def nested(self) -> NestedRegions:
        """All regions, with the quality of each as an answer to a point."""
        regions, settings = regions_of(self.maps), self._settings
        area = regions.hierarchy.area
        allowed = (area >= settings.min_area) & (area <= settings.max_share * area[-1])
        score = np.zeros(len(area))
        score[allowed] = self._quality.points.rate(regions.measured[allowed])

        def boxed(nodes: Nodes, fit: NDArray[np.float64]) -> NDArray[np.float64]:
            return self._quality.boxes.rate(np.column_stack([regions.measured[nodes], fit]))

        return NestedRegions(regions.hierarchy, score, settings.min_quality, settings.nesting, boxed)

    def regions(self, quality: float) -> tuple[Candidate, ...]:
        """All regions of at least a quality, the best first; one may hold others."""
        if self.maps.foreground.size == 1:
            return ()
        score = self.nested.score
        chosen = np.flatnonzero((score >= quality) & (score > 0))  # 0: no answers
        return tuple(self.nested.candidate(int(node)) for node in chosen[np.argsort(-score[chosen], kind="stable")])

    def predict(self, points: FloatArray, labels: PointLabels) -> list[tuple[Candidate, ...]]:
        """Answer B prompts of N points each with up to three nested regions, smallest first.

        Of the regions that hold every foreground point and no background point, those of the best quality. Where the
        answer to the first foreground point alone is better, it comes too, corrected by the points after it. Arguments
        and errors as of :meth:`PromptPredictor.predict`.
        """
        pixels, kinds = pixel_prompts(points, labels, self.shape)
        if not len(kinds) or self.maps.foreground.size == 1:
            return [()] * len(kinds)  # one pixel makes no hierarchy
        answers = [self.nested.candidates(nodes) for nodes in self.nested.answers(pixels, kinds)]
        several = np.flatnonzero((kinds != PADDING).sum(axis=1) > 1)
        for row in several:
            answers[row] = self._refined(answers[row], pixels[row], kinds[row])
        return answers

    def _refined(self, nested: tuple[Candidate, ...], pixels: Nodes, kinds: NDArray[np.int64]) -> tuple[Candidate, ...]:
        """The nested answers to the points (N,) of one prompt, and the first point's answer after the others."""
        wanted = np.flatnonzero(kinds == FOREGROUND)
        if not len(wanted):
            return nested
        first = wanted[:1]
        alone = self.nested.candidates(self.nested.answers(pixels[first][None], kinds[first][None])[0])
        best = max(alone, key=lambda candidate: candidate.quality, default=None)
        if best is None or any(candidate.quality >= NEARLY * best.quality for candidate in nested):
            return nested
        order = [*first, *(at for at in np.flatnonzero(kinds != PADDING) if at != first[0])]
        clicks = [(int(pixels[at]), bool(kinds[at] == FOREGROUND)) for at in order]
        mask = refined(best.paint(self.shape), self.nested.hierarchy, self.nested.score, clicks)
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]  # the first point is always in it
        corrected = Candidate(int(rows[0]), int(columns[0]), part, best.quality)
        return tuple(sorted((*nested[:2], corrected), key=lambda candidate: candidate.area))

    def predict_boxes(self, boxes: FloatArray) -> list[tuple[Candidate, ...]]:
        """Answer boxes (B, 4) of (x0, y0, x1, y1) with up to three regions that fit them, smallest first.

        Raises ValueError when a box is empty, not finite, or lies outside the image.
        """
        corners = checked_boxes(boxes, self.shape)
        if not len(corners) or self.maps.foreground.size == 1:
            return [()] * len(corners)
        nested = self.nested
        fitting, quality = nested.fitting(corners)
        answers = []
        for nodes, values in zip(fitting, quality, strict=True):
            chosen = [place for place in np.argsort(nodes) if nodes[place] >= 0]
            answers.append(tuple(nested.candidate(int(nodes[at])).rated(float(values[at])) for at in chosen))
        return answers

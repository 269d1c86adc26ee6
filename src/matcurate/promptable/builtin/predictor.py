"""The built-in network behind SAM's predictor interface."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import find_objects

from matcurate.config import Strict
from matcurate.promptable.builtin.inference import probabilities
from matcurate.promptable.builtin.regions import Basins, basins, outline_strength, region_levels, weighted_otsu
from matcurate.promptable.builtin.weights import Weights
from matcurate.promptable.nested import NestedRegions
from matcurate.promptable.prompts import pixel_prompts
from matcurate.promptable.protocol import PointLabels
from matcurate.types import Candidate, FloatArray, Pixels

VERSION = 1


class BuiltinSettings(Strict):
    """How learned boundaries become regions."""

    cut: float = Field(default=0.1, ge=0, le=1, description="Dynamics below which two regions are one.")
    min_area: int = Field(default=4, ge=1, description="Smallest region in pixels.")
    max_share: float = Field(default=0.7, gt=0, le=1, description="Largest answer, as part of the image.")
    min_answer: float = Field(default=0.1, ge=0, lt=1, description="Answers to prompts have a better quality.")
    nesting: float = Field(default=0.7, gt=0, lt=1, description="Largest IoU of two nested answers to one prompt.")


DEFAULT = BuiltinSettings()


class BuiltinBackbone:
    """Regions between learned boundaries as a promptable segmenter.

    Parameters
    ----------
    weights : Weights
        As read from their file; the network stays on its device.
    settings : BuiltinSettings
        Frozen; part of the digest.
    """

    def __init__(self, weights: Weights, settings: BuiltinSettings = DEFAULT) -> None:
        self.weights = weights
        self.settings = settings

    @property
    def name(self) -> str:
        """Registry name."""
        return "builtin"

    @property
    def digest(self) -> str:
        """Hex SHA-256 over weights, the algorithm's version and its settings."""
        text = f"builtin {VERSION} {self.weights.digest} {self.settings.model_dump_json()}"
        return hashlib.sha256(text.encode()).hexdigest()

    def open(self, pixels: Pixels) -> BuiltinPredictor:
        """Run the network over an image (H, W) of uint8, uint16 or float.

        Raises
        ------
        ValueError
            When the image is not two-dimensional, is empty or is not finite.
        """
        network = self.weights.network
        boundary = probabilities(network, pixels)[network.settings.heads.index("boundary")]
        return BuiltinPredictor(pixels, boundary, self.settings)


class BuiltinPredictor:
    """One image that answers prompts, and proposes regions without any.

    Parameters
    ----------
    pixels : array (H, W)
        Grey values.
    boundary : float32 array (H, W)
        Probability that two objects meet.
    settings : BuiltinSettings
        How regions are made and judged.
    """

    def __init__(self, pixels: Pixels, boundary: NDArray[np.float32], settings: BuiltinSettings) -> None:
        self._pixels = pixels
        self._boundary = boundary
        self._settings = settings

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the image."""
        height, width = self._boundary.shape
        return height, width

    @cached_property
    def _basins(self) -> Basins:
        return basins(self._boundary, self._settings.cut)

    @cached_property
    def _nested(self) -> NestedRegions:
        """Regions of every size, scored by the strength of their boundary, which is also their quality."""
        settings, found = self._settings, self._basins
        tree = found.hierarchy
        allowed = (tree.area >= settings.min_area) & (tree.area <= settings.max_share * tree.area[tree.root])
        strength = np.minimum(np.where(allowed, found.strength, 0), 0.999)
        return NestedRegions(tree, strength, float, settings.min_answer, settings.nesting)

    def regions(self, side: Literal["bright", "dark"]) -> tuple[Candidate, ...]:
        """Regions of the cut on the bright (or dark) side of an area-weighted Otsu threshold of their grey levels.

        None where the whole image is one region.
        """
        if self._boundary.size == 1 or not (labels := self._basins.labels).any():
            return ()  # one region has nothing to stand out from, and one pixel makes no hierarchy
        levels, weights = region_levels(self._pixels.astype(np.float64), self._boundary, labels).T
        bright = levels > weighted_otsu(levels, weights)
        large = np.bincount(labels.ravel()) >= self._settings.min_area
        strength = outline_strength(self._boundary, labels)
        places = find_objects(labels + 1)
        return tuple(
            Candidate(rows.start, columns.start, labels[rows, columns] == number, float(strength[number]))
            for number in np.flatnonzero(large & (bright if side == "bright" else ~bright))
            for rows, columns in (places[number],)
        )

    def predict(self, points: FloatArray, labels: PointLabels) -> list[tuple[Candidate, ...]]:
        """Answer B prompts of N points each with up to three nested regions, smallest first.

        Of the regions that hold every foreground point and no background point, those with the strongest boundary.

        Parameters
        ----------
        points : float array (B, N, 2)
            (x, y) in pixels; x runs along the width.
        labels : int array (B, N)
            1 foreground, 0 background, -1 padding.

        Raises
        ------
        ValueError
            When shapes or labels are wrong, or a point that is not padding lies outside the image.
        """
        pixels, kinds = pixel_prompts(points, labels, self.shape)
        if not len(kinds) or self._boundary.size == 1:
            return [()] * len(kinds)
        return [self._nested.candidates(nodes) for nodes in self._nested.answers(pixels, kinds)]

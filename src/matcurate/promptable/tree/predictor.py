"""The component tree behind SAM's predictor interface."""

from __future__ import annotations

import hashlib
import math
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from matcurate.promptable.forest import Forest
from matcurate.promptable.hierarchy import build
from matcurate.promptable.nested import NestedRegions
from matcurate.promptable.prompts import checked_boxes, pixel_prompts
from matcurate.promptable.protocol import PointLabels
from matcurate.promptable.tree.relief import Relief, flattened, relief, steepness
from matcurate.promptable.tree.selection import best_disjoint, clarity, sharpness
from matcurate.promptable.tree.settings import TreeSettings
from matcurate.types import Candidate, FloatArray, Pixels, Side

VERSION = 2
REDUCED = 2**17
DEFAULT = TreeSettings()


class TreeBackbone:
    """Regions of a component tree as a promptable segmenter; no weights.

    Parameters
    ----------
    settings : TreeSettings
        Frozen; part of the digest.
    """

    def __init__(self, settings: TreeSettings = DEFAULT) -> None:
        self.settings = settings

    @property
    def name(self) -> str:
        """Registry name."""
        return "tree"

    @property
    def digest(self) -> str:
        """Hex SHA-256 over the algorithm's version and its settings."""
        text = f"tree {VERSION} {self.settings.model_dump_json()}"
        return hashlib.sha256(text.encode()).hexdigest()

    def open(self, pixels: Pixels) -> TreePredictor:
        """Denoise an image (H, W) of uint8, uint16 or float; the trees are built when first asked.

        Raises
        ------
        ValueError
            When the image is not two-dimensional, is empty or is not finite.
        """
        return TreePredictor(relief(pixels, self.settings), self.settings)


def quality_of(clear: float) -> float:
    """Predicted IoU in [0, 1) of a region of clarity ``clear`` >= 0: 1 - exp(-clear).

    Fitted by eye to the IoU of one-point answers on micrographs: .35 at .4, .52 at .75, .70 at 1.05, .83 at 1.5.
    """
    return 1 - math.exp(-clear)


def _reduced(grey: Relief) -> Relief:
    """Copy of about ``REDUCED`` pixels at most, enough to compare two reliefs."""
    factor = math.sqrt(REDUCED / grey.size)
    if factor >= 1:
        return grey
    height, width = (max(1, round(side * factor)) for side in grey.shape)
    return np.asarray(cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA), dtype=np.float32)


class TreePredictor:
    """One image that answers prompts, and proposes regions without any.

    Parameters
    ----------
    grey : float32 array (H, W)
        Denoised relief in [0, 1].
    settings : TreeSettings
        How regions are judged.
    """

    def __init__(self, grey: Relief, settings: TreeSettings) -> None:
        self._grey = grey
        self._settings = settings

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the image."""
        height, width = self._grey.shape
        return height, width

    @cached_property
    def _bright(self) -> NestedRegions:
        return self._nested(self._relief)

    @cached_property
    def _dark(self) -> NestedRegions:
        return self._nested(1 - self._relief)

    def _nested(self, relief: Relief) -> NestedRegions:
        """Regions that are brighter than their surroundings in ``relief``, scored by their clarity."""
        levels, settings = self._quantised(relief), self._settings
        hierarchy = build(levels, settings.min_area)
        clear = clarity(hierarchy, levels, steepness(self._grey), settings)
        return NestedRegions(hierarchy, clear, quality_of, settings.min_answer, settings.nesting)

    @cached_property
    def _relief(self) -> Relief:
        """The relief that shows its regions better: the image as it is, or above the level of its edges."""
        flat = flattened(self._grey)
        return self._grey if self._shown(self._grey) > self._shown(flat) else flat

    def _shown(self, relief: Relief) -> float:
        slope, small = steepness(_reduced(self._grey)), _reduced(relief)
        return max(sharpness(self._quantised(side), slope, self._settings) for side in (small, 1 - small))

    def _quantised(self, relief: Relief) -> NDArray[np.int32]:
        return np.rint(relief * (self._settings.levels - 1)).astype(np.int32)

    def regions(self, side: Side) -> tuple[Candidate, ...]:
        """Non-overlapping regions brighter (or darker) than their surroundings, those with the clearest outlines.

        The set with the largest sum of area x (clarity - min_clarity)^2.
        """
        half = self._bright if side == "bright" else self._dark
        above = np.maximum(half.score - self._settings.min_clarity, 0)
        chosen = best_disjoint(half.hierarchy, half.hierarchy.area * above**2)
        return tuple(half.candidate(int(node)) for node in chosen)

    def predict(self, points: FloatArray, labels: PointLabels) -> list[tuple[Candidate, ...]]:
        """Answer B prompts of N points each with the clearest regions around them.

        Of the bright and the dark regions that hold every foreground point and no background point, the side
        with the clearest region answers, with at most three nested ones, smallest first.

        Parameters
        ----------
        points : float array (B, N, 2)
            (x, y) in pixels; x runs along the width.
        labels : int array (B, N)
            1 foreground, 0 background, -1 padding.

        Returns
        -------
        list of B tuples of Candidate
            Empty where no region is clear, or no foreground point is given.

        Raises
        ------
        ValueError
            When shapes or labels are wrong, or a point that is not padding lies outside the image.
        """
        pixels, kinds = pixel_prompts(points, labels, self.shape)
        sides = (self._bright, self._dark)
        found = [side.answers(pixels, kinds) for side in sides]
        top = [np.where(nodes >= 0, side.score[nodes], 0).max(axis=1) for side, nodes in zip(sides, found, strict=True)]
        return [
            sides[dark].candidates(found[dark][prompt]) for prompt, dark in enumerate((top[1] > top[0]).astype(int))
        ]

    def predict_boxes(self, boxes: FloatArray) -> list[tuple[Candidate, ...]]:
        """Answer boxes (B, 4) of (x0, y0, x1, y1) with up to three regions that fit them, smallest first.

        Raises
        ------
        ValueError
            When a box is empty, not finite, or lies outside the image.
        """
        return Forest((self._bright, self._dark), self._settings.nesting).fitting(checked_boxes(boxes, self.shape))

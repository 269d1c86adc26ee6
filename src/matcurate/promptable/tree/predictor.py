"""The component tree behind SAM's predictor interface."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from matcurate.promptable.prompts import BACKGROUND, FOREGROUND, checked_prompts
from matcurate.promptable.protocol import PointLabels
from matcurate.promptable.tree.hierarchy import Hierarchy, Nodes, build
from matcurate.promptable.tree.relief import class_distance, relief
from matcurate.promptable.tree.selection import Quality, best_disjoint, on_paths, stability
from matcurate.promptable.tree.settings import TreeSettings
from matcurate.types import Candidate, FloatArray, Pixels

VERSION = 1
CHUNK = 2048
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


@dataclass(frozen=True, eq=False)
class Side:
    """The tree of one polarity, the quality of its nodes, and the candidates made so far."""

    hierarchy: Hierarchy
    quality: Quality
    settings: TreeSettings

    @cached_property
    def made(self) -> dict[int, Candidate]:
        """Candidates by node, since many prompts share one."""
        return {}

    def candidate(self, node: int) -> Candidate:
        """Region of a node."""
        if node not in self.made:
            top, left, mask = self.hierarchy.mask(node)
            self.made[node] = Candidate(top, left, mask, float(self.quality[node]))
        return self.made[node]

    def answers(self, pixels: Nodes, labels: PointLabels) -> Nodes:
        """Up to three nodes (B, 3) for prompts given by pixel numbers and labels (B, N); -1 for none."""
        tree = self.hierarchy
        homes = tree.home[pixels]
        wanted = labels == FOREGROUND
        start = homes[np.arange(len(homes)), wanted.argmax(axis=1)]
        for place, given in zip(homes.T, wanted.T, strict=True):
            start = np.where(given, tree.meeting(start, place), start)
        # From the node where a background point joins the path on, every node holds that point.
        stop = np.where(wanted.any(axis=1), tree.root, start)
        for place, refused in zip(homes.T, (labels == BACKGROUND).T, strict=True):
            stop = np.where(refused, np.minimum(stop, tree.meeting(start, place)), stop)
        return on_paths(tree, self.quality, start, stop, self.settings)


class TreePredictor:
    """One image that answers prompts, and proposes regions without any.

    Parameters
    ----------
    grey : float32 array (H, W)
        Denoised relief in [0, 1].
    settings : TreeSettings
        How regions are judged.
    """

    def __init__(self, grey: NDArray[np.float32], settings: TreeSettings) -> None:
        self._levels = np.rint(grey * (settings.levels - 1)).astype(np.int32)
        self._drop = settings.drop * class_distance(grey) * (settings.levels - 1)
        self._settings = settings

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the image."""
        height, width = self._levels.shape
        return height, width

    @cached_property
    def _bright(self) -> Side:
        return self._side(self._levels)

    @cached_property
    def _dark(self) -> Side:
        return self._side(self._settings.levels - 1 - self._levels)

    def _side(self, levels: NDArray[np.int32]) -> Side:
        hierarchy = build(levels, self._settings.min_area)
        return Side(hierarchy, stability(hierarchy, self._drop, self._settings), self._settings)

    def regions(self, side: Literal["bright", "dark"]) -> tuple[Candidate, ...]:
        """Non-overlapping regions brighter (or darker) than their surroundings, the most stable ones."""
        half = self._bright if side == "bright" else self._dark
        chosen = best_disjoint(half.hierarchy, half.quality * half.hierarchy.area)
        return tuple(half.candidate(int(node)) for node in chosen)

    def predict(self, points: FloatArray, labels: PointLabels) -> list[tuple[Candidate, ...]]:
        """Answer B prompts of N points each with the most stable regions around them.

        Of the bright and the dark regions that hold every foreground point and no background point, the side
        with the most stable region answers, with at most three nested ones, smallest first.

        Parameters
        ----------
        points : float array (B, N, 2)
            (x, y) in pixels; x runs along the width.
        labels : int array (B, N)
            1 foreground, 0 background, -1 padding.

        Returns
        -------
        list of B tuples of Candidate
            Empty where no region is stable, or no foreground point is given.

        Raises
        ------
        ValueError
            When shapes or labels are wrong, or a point that is not padding lies outside the image.
        """
        places, kinds = checked_prompts(points, labels, self.shape)
        columns, rows = np.where((kinds >= 0)[..., None], places, 0).astype(np.int64).transpose(2, 0, 1)
        pixels = rows * self.shape[1] + columns
        answers: list[tuple[Candidate, ...]] = []
        for chunk in range(0, len(pixels), CHUNK):
            part = slice(chunk, chunk + CHUNK)
            answers += self._answers(pixels[part], kinds[part])
        return answers

    def _answers(self, pixels: Nodes, labels: PointLabels) -> list[tuple[Candidate, ...]]:
        sides = (self._bright, self._dark)
        found = [side.answers(pixels, labels) for side in sides]
        top = [
            np.where(nodes >= 0, side.quality[nodes], 0).max(axis=1) for side, nodes in zip(sides, found, strict=True)
        ]
        answers = []
        for row, dark in enumerate(top[1] > top[0]):
            nodes = np.sort(found[int(dark)][row])
            answers.append(tuple(sides[int(dark)].candidate(int(node)) for node in nodes if node >= 0))
        return answers

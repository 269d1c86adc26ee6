"""The built-in network behind SAM's predictor interface."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import find_objects
from skimage.segmentation import expand_labels

from matcurate.config import Strict
from matcurate.errors import CheckpointError
from matcurate.promptable.builtin.agglomeration import joined, sureness
from matcurate.promptable.builtin.inference import folded
from matcurate.promptable.builtin.offers import APART, OFFERS, Offers, side_by_side
from matcurate.promptable.builtin.quality import Judge
from matcurate.promptable.builtin.regions import Nested
from matcurate.promptable.builtin.scene import THREADS, Regions, Scene
from matcurate.promptable.builtin.weights import Weights
from matcurate.promptable.forest import Forest
from matcurate.promptable.hierarchy import Nodes
from matcurate.promptable.nested import NestedRegions
from matcurate.promptable.prompts import checked_boxes, pixel_prompts
from matcurate.promptable.protocol import PointLabels
from matcurate.promptable.tree.selection import best_disjoint
from matcurate.types import SIDES, Candidate, FloatArray, Pixels, Side

VERSION = 7


class BuiltinSettings(Strict):
    """Which regions are answers."""

    min_area: int = Field(default=4, ge=1, description="Smallest region in pixels.")
    max_share: float = Field(default=0.95, gt=0, le=1, description="Largest answer, as part of the image.")
    min_answer: float = Field(default=0.05, ge=0, lt=1, description="Answers to prompts have a better quality.")
    min_region: float = Field(default=0.4, ge=0, lt=1, description="Regions without a prompt have a better quality.")
    nesting: float = Field(default=0.7, gt=0, lt=1, description="Largest IoU of two nested answers to one prompt.")


DEFAULT = BuiltinSettings()


class BuiltinBackbone:
    """Nested regions, judged by a network that has seen many, as a promptable segmenter.

    Parameters
    ----------
    weights : Weights
        As read from their file; the network stays on its device.
    settings : BuiltinSettings
        Frozen; part of the digest.

    Raises
    ------
    CheckpointError
        When the weights have not learned to judge regions.
    """

    def __init__(self, weights: Weights, settings: BuiltinSettings = DEFAULT) -> None:
        if weights.judge is None:
            raise CheckpointError("these weights cannot judge regions yet; finish them with 'curate pretrain --resume'")
        self.weights = weights
        self._network = folded(weights.network)
        self._judge = weights.judge
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
        """Run the network over an image (H, W) of uint8, uint16 or float; regions are made when first asked.

        Raises
        ------
        ValueError
            When the image is not two-dimensional, is empty or is not finite.
        """
        return BuiltinPredictor(Scene.seen_by(self._network, pixels), self._judge, self.settings)


class BuiltinPredictor:
    """One image that answers prompts, and proposes regions without any.

    Parameters
    ----------
    scene : Scene
        The image and its nested regions.
    judge : Judge
        Says how good they are.
    settings : BuiltinSettings
        Which are answers.
    seams : bool
        Look for seams between touching objects of one grey, too: a third of the work.
    sides : tuple of {"bright", "dark"}
        Towards which regions above and below grey levels are looked for.
    least : float
        Quality of the answers and regions that are made.
    """

    def __init__(
        self,
        scene: Scene,
        judge: Judge,
        settings: BuiltinSettings,
        seams: bool = True,
        sides: tuple[Side, ...] = SIDES,
        least: float = 0.0,
    ) -> None:
        self._scene = scene
        self._judge = judge
        self._settings = settings
        self._seams = seams
        self._sides = sides
        self._least = least

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the image."""
        height, width = self._scene.pixels.shape
        return height, width

    def contrasting(self, sides: tuple[Side, ...], least: float) -> BuiltinPredictor:
        """The same image, without seams between touching objects of one grey, and with grey levels of these sides only.

        Boundaries of both sides stay. Only answers and regions of a quality of ``least`` or more are made.
        """
        return BuiltinPredictor(self._scene, self._judge, self._settings, seams=False, sides=sides, least=least)

    @cached_property
    def _regions(self) -> Regions:
        return self._scene.regions(self._judge.seams.judge if self._seams else None, self._sides)

    @cached_property
    def forest(self) -> Forest:
        """The hierarchies, judged."""
        regions = self._regions
        with ThreadPoolExecutor(THREADS) as pool:
            members = tuple(pool.map(self._judged, regions.hierarchies, regions.described))
        return Forest(members, self._settings.nesting)

    def _judged(self, nested: Nested, described: NDArray[np.float32]) -> NestedRegions:
        settings, tree, judge = self._settings, nested.hierarchy, self._judge
        allowed = (tree.area >= settings.min_area) & (tree.area <= settings.max_share * tree.area[tree.root])
        score = np.zeros(len(allowed))
        score[allowed] = judge.points.judge(described[allowed])  # most basins are too small to be answers

        def boxed(nodes: Nodes, fit: NDArray[np.float64]) -> NDArray[np.float64]:
            return judge.boxes.judge(np.column_stack([described[nodes], fit]).astype(np.float32))

        return NestedRegions(tree, score, float, settings.min_answer, settings.nesting, boxed)

    def regions(self, side: Side) -> tuple[Candidate, ...]:
        """Regions brighter (or darker) than their surroundings, of every hierarchy.

        Of each hierarchy the non-overlapping set with the largest sum of area x (quality - min_region).
        """
        if self._scene.pixels.size == 1:
            return ()  # one pixel makes no hierarchy
        towards = self._scene.drop if side == "bright" else -self._scene.drop
        found: list[Candidate] = []
        for member in self.forest.members:
            tree = member.hierarchy
            above = np.maximum(member.score - self._settings.min_region, 0) * (tree.total(towards) > 0)
            chosen = (int(node) for node in best_disjoint(tree, tree.area * above))
            found += [member.candidate(node) for node in chosen if member.score[node] >= self._least]
        return tuple(found)

    def tiles(self, smallest: int) -> tuple[Candidate, ...]:
        """Part the image into grains of at least ``smallest`` pixels.

        Patches along every possible boundary are joined until each seam is more likely to part two grains than not. A
        grain's quality is the mean of that likelihood along its outline. What is too small for a grain goes to the
        nearest one.
        """
        if self._scene.pixels.size == 1:
            return (Candidate(0, 0, np.ones((1, 1), dtype=np.bool_), 0.0),)
        grains = joined(self._scene.patches, self._judge.seams.judge)
        quality = sureness(grains, self._judge.seams.judge)
        large = np.flatnonzero(grains.areas >= smallest)
        kept = large if len(large) else np.array([int(grains.areas.argmax())])
        numbers = np.zeros(len(grains.areas), dtype=np.int64)
        numbers[kept] = np.arange(1, len(kept) + 1)
        filled = expand_labels(numbers[grains.map()], distance=sum(self.shape))
        return tuple(
            Candidate(rows.start, columns.start, filled[rows, columns] == number, float(quality[grain]))
            for number, (grain, (rows, columns)) in enumerate(zip(kept, find_objects(filled), strict=True), start=1)
        )

    def offers(self, pixels: Nodes, labels: PointLabels) -> tuple[list[Nodes], Offers]:
        """Regions of each hierarchy (B, k) that may answer prompts of pixel numbers and labels (B, N), side by side."""
        members = self.forest.members
        found = [member.answers(pixels, labels, OFFERS, APART) for member in members]
        return found, side_by_side(members, self._regions.described, found)

    def predict(self, points: FloatArray, labels: PointLabels) -> list[tuple[Candidate, ...]]:
        """Answer B prompts of N points each with up to three nested regions, smallest first.

        Of the regions that hold every foreground point and no background point, those of the best quality.

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
        if not len(kinds) or self._scene.pixels.size == 1:
            return [()] * len(kinds)  # one pixel makes no hierarchy
        found, offers = self.offers(pixels, kinds)
        quality = self._judge.panel.judge(offers.measured, offers.there)
        return self.forest.chosen(found, np.where(quality >= self._least, quality, 0.0))

    def predict_boxes(self, boxes: FloatArray) -> list[tuple[Candidate, ...]]:
        """Answer boxes (B, 4) of (x0, y0, x1, y1) with up to three regions that fit them, smallest first.

        Raises
        ------
        ValueError
            When a box is empty, not finite, or lies outside the image.
        """
        corners = checked_boxes(boxes, self.shape)
        return [()] * len(corners) if self._scene.pixels.size == 1 else self.forest.fitting(corners)

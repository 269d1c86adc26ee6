"""SAM-I-Am: from raw masks, of any source, to a map of K materials.

A fifth rule is ours: where a mask's crops do not agree, it holds several materials; as "a segment cannot be composite"
(the paper's first axiom), it is removed, and the texture of the area that it covered decides point by point.

References
----------
W. Abebe, J. Strube, L. Guo, N. R. Tallent, O. Bel, S. Spurgeon, C. Doty, A. Jannesari, "SAM-I-Am: Semantic Boosting for
Zero-shot Atomic-Scale Electron Micrograph Segmentation" (2024): algorithm 1 (removal), algorithm 2 (merging).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcurate.segmentation.boost.clustering import Labels, Scaling, cluster, estimate_count
from matcurate.segmentation.boost.crops import Places, embedded
from matcurate.segmentation.boost.judges import Classified, Clustered, CropClassifier, Judge
from matcurate.segmentation.boost.layout import Layout, by_brightness, fill_gaps, paint
from matcurate.segmentation.boost.removal import Removed, remove
from matcurate.segmentation.boost.settings import BoostSettings
from matcurate.segmentation.boost.textures import FeatureMap, Features, FilterBank
from matcurate.types import BoolMask, Candidate, Pixels

MOST_MATERIALS = 255
"""Class ids have eight bits."""
EMPTY = np.empty((0, 0, 0), dtype=np.float32)
"""Features where a classifier needs none."""


@dataclass(frozen=True, slots=True, eq=False)
class Boosted:
    """Materials of one micrograph.

    ``phases`` (H, W) holds materials 1 … ``materials``, the darkest first (a classifier's class c is c + 1), and 0 in
    gaps that stay. ``kept`` are the masks that passed the removal, largest first, and ``voted`` the material that the
    crops of each voted for, 0 where it is hidden by others.
    """

    phases: NDArray[np.uint8]
    materials: int
    kept: tuple[Candidate, ...]
    voted: tuple[int, ...]
    removed: tuple[Removed, ...]

    @property
    def masks(self) -> tuple[BoolMask, ...]:
        """The merged mask (H, W) of every material that occurs."""
        return tuple(self.phases == number for number in range(1, self.materials + 1) if (self.phases == number).any())


class Booster:
    """Removal rules, texture features, and what classifies crops by them.

    Features are the settings' filter bank by default. A ``classifier`` replaces k-means (the paper's supervised
    variant).
    """

    def __init__(
        self,
        settings: BoostSettings | None = None,
        features: Features | None = None,
        classifier: CropClassifier | None = None,
    ) -> None:
        self.settings = settings or BoostSettings()
        self.features = features or FilterBank(self.settings.filters)
        self.classifier = classifier

    def boost(
        self,
        pixels: Pixels,
        candidates: Sequence[Candidate],
        materials: int | None = None,
        *,
        rng: np.random.Generator,
    ) -> Boosted:
        """Turn raw masks of any source, overlapping or not, of a micrograph (H, W) into materials.

        ``materials`` in [1, 255] is estimated from the crops' scatter when it is None; a classifier has its own number.
        The generator places the crops and starts k-means. Raises ValueError for another number of materials.
        """
        if materials is not None and not 1 <= materials <= MOST_MATERIALS:
            raise ValueError(f"materials must lie in [1, {MOST_MATERIALS}], got {materials}")
        shape = (pixels.shape[0], pixels.shape[1])
        removal = remove(candidates, shape, self.settings)
        features = EMPTY if self.classifier else self.features(pixels)
        vote = self._vote(pixels, features, removal.kept, materials, rng)
        composite = vote.agreement < self.settings.agreement
        mixtures = tuple(Removed(mask, "composite") for mask, mixed in zip(vote.masks, composite, strict=True) if mixed)
        if mixtures:
            left = [mask for mask, mixed in zip(vote.masks, composite, strict=True) if not mixed]
            vote = self._vote(pixels, features, left, materials, rng)
        materials_map = paint(vote.layout, vote.winners, vote.judge, self.settings.crop)
        count = vote.judge.count
        ranks = np.arange(count) if self.classifier else by_brightness(materials_map, pixels, count)
        if self.settings.gaps == "nearest":
            materials_map = fill_gaps(materials_map)
        ids = np.concatenate([ranks + 1, [0]])  # the last for -1, which is none
        return Boosted(
            phases=ids[materials_map].astype(np.uint8),
            materials=count,
            kept=vote.masks,
            voted=tuple(int(number) for number in ids[vote.winners]),
            removed=removal.removed + mixtures,
        )

    def _vote(
        self,
        pixels: Pixels,
        features: FeatureMap,
        masks: Sequence[Candidate],
        materials: int | None,
        rng: np.random.Generator,
    ) -> _Vote:
        """Let the crops of every mask vote (algorithm 2)."""
        crop = self.settings.crop
        layout = Layout.of(masks, (pixels.shape[0], pixels.shape[1]), crop)
        places = layout.crop_places(self.settings.crops, crop, rng)
        if self.classifier is not None:
            judge: Judge = Classified(pixels, crop, self.classifier)
        else:
            judge = self._clustered(features, layout, places, materials, rng)
        winners = np.full(len(masks), -1, dtype=np.int64)
        agreement = np.ones(len(masks))
        for number in range(len(masks)):
            if number in places:
                votes = np.bincount(judge(layout.region(number), places[number]))
                winners[number], agreement[number] = votes.argmax(), votes.max() / votes.sum()
        return _Vote(tuple(masks), layout, judge, winners, agreement)

    def _clustered(
        self,
        features: FeatureMap,
        layout: Layout,
        places: dict[int, Places],
        materials: int | None,
        rng: np.random.Generator,
    ) -> Clustered:
        crop = self.settings.crop
        by_region = {number: embedded(features, layout.region(number), at, crop) for number, at in places.items()}
        embeddings = np.concatenate(list(by_region.values())).astype(np.float64)
        regions = np.repeat(list(by_region), [len(part) for part in by_region.values()])
        areas = layout.areas()
        # All crops of a region smaller than a crop see the same: they do not say how much one texture varies.
        wide = np.array([areas[number] >= crop**2 for number in regions.tolist()], dtype=np.bool_)
        masked = wide & (regions < layout.masks)
        scaling = Scaling.of(embeddings, regions, trusted=masked if masked.any() else wide)
        scaled = scaling(embeddings)
        weights = np.concatenate([np.full(len(at), areas[number] / len(at)) for number, at in places.items()])
        count = materials or estimate_count(scaled, self.settings.largest_count, rng, weights)
        return Clustered(features, crop, scaling, cluster(scaled, count, rng, weights))


@dataclass(frozen=True, slots=True, eq=False)
class _Vote:
    """Result of a vote: the material that each mask's crops voted for (-1: a hidden mask), and how clearly."""

    masks: tuple[Candidate, ...]
    layout: Layout
    judge: Judge
    winners: Labels
    agreement: NDArray[np.float64]

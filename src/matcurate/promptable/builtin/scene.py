"""An image as the built-in backbone sees it: boundaries, nested regions, and what is measured of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from matcurate.promptable.builtin.agglomeration import Splits, grown, of_seams
from matcurate.promptable.builtin.denoising import calmed
from matcurate.promptable.builtin.descriptors import Evidence, describe
from matcurate.promptable.builtin.edges import Field, parted
from matcurate.promptable.builtin.inference import probabilities
from matcurate.promptable.builtin.network import Head, UNet
from matcurate.promptable.builtin.patches import Patches, patches_of
from matcurate.promptable.builtin.regions import Nested, between_boundaries, of_grey_levels
from matcurate.types import SIDES, Pixels, Side

LEVELS = 128
"""Grey levels whose regions are looked at."""
MIN_AREA = 4
"""Smallest region between two grey levels, in pixels."""
THREADS = 2
"""That make and measure regions; more would wait for each other, since trees are made by one at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """All nested regions of an image.

    Parameters
    ----------
    hierarchies : tuple of Nested
        Between learned boundaries, between learned seams if they were looked for, and on each side that was asked for
        above or below grey levels.
    described : tuple of float32 array (M, D)
        Descriptors of the regions of each.
    """

    hierarchies: tuple[Nested, ...]
    described: tuple[NDArray[np.float32], ...]


class Scene:
    """Everything about one image that does not depend on a prompt.

    Parameters
    ----------
    pixels : uint8, uint16 or float array (H, W)
        Finite, at least two pixels.
    said : float32 array (heads, H, W)
        What the network said of them.
    heads : tuple of Head
        Which heads.
    """

    def __init__(self, pixels: Pixels, said: NDArray[np.float32], heads: tuple[Head, ...]) -> None:
        self.pixels = pixels
        self.parted = parted(said, heads)
        self._evidence = Evidence.of(pixels, self.parted, said, heads)

    @classmethod
    def seen_by(cls, network: UNet, pixels: Pixels) -> Scene:
        """Run a network, in evaluation mode, over an image.

        Raises
        ------
        ValueError
            When the image is not two-dimensional, is empty or is not finite.
        """
        return cls(pixels, probabilities(network, pixels), network.settings.heads)

    @cached_property
    def drop(self) -> Field:
        """By how much each pixel (H, W) is brighter than its neighbours."""
        return self._evidence.drop

    @cached_property
    def patches(self) -> Patches:
        """Patches of grains, along every boundary that there may be."""
        return patches_of(self.parted, self._evidence.grey)

    def regions(self, splits: Splits | None = None, sides: tuple[Side, ...] = SIDES) -> Regions:
        """Nested regions, between seams, too, given what says which of them part two grains; two threads make them."""
        evidence, seams = self._evidence, list[Nested]()
        with ThreadPoolExecutor(THREADS) as pool:
            grey = pool.submit(self._above_levels, sides)
            joining = pool.submit(grown, self.patches, splits) if splits else None
            boundaries = pool.submit(between_boundaries, self.parted)
            if joining:
                between, split = of_seams(joining.result())
                evidence, seams = evidence.split_by(split), [between]
            hierarchies = (boundaries.result(), *seams, *grey.result())
            described = tuple(pool.map(partial(describe, evidence=evidence), hierarchies))
        return Regions(hierarchies, described)

    def _above_levels(self, sides: tuple[Side, ...]) -> list[Nested]:
        bright = np.rint(calmed(self.pixels) * (LEVELS - 1)).astype(np.int32)
        levels = {"bright": bright, "dark": LEVELS - 1 - bright}
        return [of_grey_levels(levels[side], MIN_AREA, side) for side in sides]

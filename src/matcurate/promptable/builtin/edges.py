"""How strongly two neighbouring pixels are parted: numbers between pixels, to the right and below."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from matcurate.promptable.builtin.network import Head

Field = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Between:
    """A number for each pair of 4-neighbours.

    Parameters
    ----------
    right : float array (H, W - 1)
        Between a pixel and the one on its right.
    below : float array (H - 1, W)
        Between a pixel and the one below it.
    """

    right: Field
    below: Field

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the image."""
        return self.right.shape[0], self.below.shape[1]

    @cached_property
    def around(self) -> Field:
        """Sum (H, W) over the pairs that each pixel belongs to."""
        total = np.zeros(self.shape)
        total[:, :-1] += self.right
        total[:, 1:] += self.right
        total[:-1] += self.below
        total[1:] += self.below
        return total


def drop(grey: Field) -> Field:
    """By how much each pixel (H, W) is brighter than its neighbours, summed over them; inner steps cancel in sums."""
    total = np.zeros(grey.shape)
    across, down = np.diff(grey, axis=1), np.diff(grey, axis=0)
    total[:, :-1] -= across
    total[:, 1:] += across
    total[:-1] -= down
    total[1:] += down
    return total


def parted(probabilities: NDArray[np.float32], heads: tuple[Head, ...]) -> Between:
    """Probability that two neighbours belong to different objects, from the heads (heads, H, W) of the network.

    The mean of what the head for that edge says and of the boundary head at both pixels; the boundary head alone
    where the network has no others.
    """
    said = {head: probabilities[number].astype(np.float64) for number, head in enumerate(heads)}
    boundary = said["boundary"]
    right = (boundary[:, :-1] + boundary[:, 1:]) / 2
    below = (boundary[:-1] + boundary[1:]) / 2
    if "right" in said and "below" in said:
        right = (right + said["right"][:, :-1]) / 2
        below = (below + said["below"][:-1]) / 2
    return Between(right, below)

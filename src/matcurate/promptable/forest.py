"""Several hierarchies over one image that answer prompts together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matcurate.promptable.hierarchy import Nodes
from matcurate.promptable.nested import NestedRegions, best_apart
from matcurate.promptable.protocol import PointLabels
from matcurate.types import Candidate, intersection


@dataclass(frozen=True, slots=True)
class Forest:
    """Hierarchies whose qualities can be compared.

    Parameters
    ----------
    members : sequence of NestedRegions
        Over the same image.
    nesting : float
        Largest intersection over union of two answers to one prompt.
    """

    members: Sequence[NestedRegions]
    nesting: float

    def answers(self, pixels: Nodes, labels: PointLabels) -> list[tuple[Candidate, ...]]:
        """Answer prompts given by pixel numbers and labels (B, N): the best regions of all hierarchies.

        Returns
        -------
        list of B tuples of Candidate
            At most three each, smallest first.
        """
        found = [member.answers(pixels, labels) for member in self.members]
        return [
            self._best(
                [
                    member.candidate(int(node))
                    for member, nodes in zip(self.members, found, strict=True)
                    for node in nodes[prompt]
                    if node >= 0
                ]
            )
            for prompt in range(len(pixels))
        ]

    def fitting(self, boxes: NDArray[np.float64]) -> list[tuple[Candidate, ...]]:
        """Answer boxes (B, 4) of top, left, bottom, right, the last two exclusive, as :meth:`answers` does."""
        found = [member.fitting(boxes) for member in self.members]
        return [
            self._best(
                [
                    replace(member.candidate(int(node)), quality=float(value))
                    for member, (nodes, values) in zip(self.members, found, strict=True)
                    for node, value in zip(nodes[number], values[number], strict=True)
                    if node >= 0
                ]
            )
            for number in range(len(boxes))
        ]

    def _best(self, offered: Sequence[Candidate]) -> tuple[Candidate, ...]:
        """Best of what the hierarchies answer to one prompt."""

        def shared(one: int, other: int) -> float:
            return overlap(offered[one], offered[other])

        chosen = best_apart(np.array([one.quality for one in offered]), shared, self.nesting)
        return tuple(sorted((offered[place] for place in chosen), key=lambda one: one.area))


def overlap(one: Candidate, other: Candidate) -> float:
    """Intersection over union of two regions."""
    shared = intersection(one, other)
    return shared / (one.area + other.area - shared)

"""Several hierarchies over one image that answer prompts together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
        quality = [
            np.vectorize(member.quality, otypes=[float])(member.score[nodes])
            for member, nodes in zip(self.members, found, strict=True)
        ]
        return self.chosen(found, np.concatenate(quality, axis=1))

    def chosen(self, found: Sequence[Nodes], quality: NDArray[np.float64]) -> list[tuple[Candidate, ...]]:
        """Answer B prompts from the nodes (B, k) that each hierarchy offers.

        Parameters
        ----------
        found : sequence of int array (B, k)
            One for each hierarchy; -1 is none.
        quality : float array (B, sum of k)
            Predicted IoU in [0, 1] of each; what is not better than a hierarchy's ``min_answer`` is no answer.
        """
        least = np.concatenate(
            [np.full(nodes.shape[1], member.min_answer) for member, nodes in zip(self.members, found, strict=True)]
        )
        return self._all_best(found, np.where(quality > least, quality, 0.0))

    def fitting(self, boxes: NDArray[np.float64]) -> list[tuple[Candidate, ...]]:
        """Answer boxes (B, 4) of top, left, bottom, right, the last two exclusive, as :meth:`answers` does."""
        found = [member.fitting(boxes) for member in self.members]
        return self._all_best([nodes for nodes, _ in found], np.concatenate([values for _, values in found], axis=1))

    def _all_best(self, found: Sequence[Nodes], quality: NDArray[np.float64]) -> list[tuple[Candidate, ...]]:
        owners = np.repeat(np.arange(len(found)), [nodes.shape[1] for nodes in found])
        nodes = np.concatenate(found, axis=1)
        good = (nodes >= 0) & (quality > 0)
        return [
            self._best(owners[here], nodes[prompt, here], quality[prompt, here]) for prompt, here in enumerate(good)
        ]

    def _best(self, owners: Nodes, nodes: Nodes, quality: NDArray[np.float64]) -> tuple[Candidate, ...]:
        """Best of what hierarchies (K,) offer for one prompt: nodes (K,) of some quality (K,)."""
        places: list[tuple[int, int]] = list(zip(owners.tolist(), nodes.tolist(), strict=True))
        areas = [int(self.members[owner].hierarchy.area[node]) for owner, node in places]

        def at(place: int) -> Candidate:
            owner, node = places[place]
            return self.members[owner].candidate(node)

        def shared(one: int, other: int) -> float:
            most = min(areas[one], areas[other]) / max(areas[one], areas[other])
            if most <= self.nesting:
                return most
            if places[one][0] == places[other][0]:
                return self.members[places[one][0]].overlap(places[one][1], places[other][1])
            both = intersection(at(one), at(other))
            return both / (areas[one] + areas[other] - both)

        chosen = best_apart(quality, shared, self.nesting)
        return tuple(at(place).rated(float(quality[place])) for place in sorted(chosen, key=areas.__getitem__))

"""Joining patches, the surest first (learned agglomeration, Nunez-Iglesias et al. 2013), and the regions it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import higra as hg
import numpy as np
from numpy.typing import NDArray

from matcurate.promptable.builtin import patches as p
from matcurate.promptable.builtin.basins import Borders
from matcurate.promptable.builtin.edges import Between
from matcurate.promptable.builtin.joining import both_sides, measured
from matcurate.promptable.builtin.patches import Numbers, Patches
from matcurate.promptable.builtin.regions import Nested, linked
from matcurate.promptable.hierarchy import indexed

Column = NDArray[np.float64]
Splits = Callable[[NDArray[np.float32]], Column]
"""Probability (E,) that a seam parts two grains, of what is measured of it (E, D)."""

LEVELS = (0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
"""Probabilities of a split up to which seams are joined, the surest first."""
ROUNDS = 40
"""At most, at each level."""
FEW = 0.1
"""Part of the patches; a round that joins fewer pairs ends its level, and what is left waits for the next."""


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """One round of joining.

    Parameters
    ----------
    before, after : Patches
        N patches, and the K that they became.
    split : float array (E,)
        What was said of the seams between the N patches.
    together : int array (N,)
        New number of each patch; at most two share one.
    """

    before: Patches
    after: Patches
    split: Column
    together: Numbers


def rounds(patches: Patches, splits: Splits, levels: tuple[float, ...] = LEVELS) -> Iterator[Round]:
    """Join what belongs together, the surest first, each patch only with the one it is surest of.

    Parameters
    ----------
    patches : Patches
        As first made.
    splits : callable
        Judges seams; asked anew after every round.
    levels : tuple of float
        Rising.
    """
    split = said_of(patches, splits)
    for level in levels:
        for _ in range(ROUNDS):
            together = pairs(patches, split, level)
            if together is None:
                break
            done = Round(patches, patches.joined(together), split, together)
            yield done
            patches = done.after
            split = said_of(patches, splits)
            if level < levels[-1] and len(done.after.sums) > (1 - FEW) * len(done.before.sums):
                break


def said_of(patches: Patches, splits: Splits) -> Column:
    """What is said of each seam (E,)."""
    return splits(measured(patches)) if len(patches.ends) else np.zeros(0)


def joined(patches: Patches, splits: Splits, levels: tuple[float, ...] = LEVELS) -> Patches:
    """What is left after all :func:`rounds`."""
    for done in rounds(patches, splits, levels):
        patches = done.after
    return patches


@dataclass(frozen=True, slots=True, eq=False)
class Grown:
    """Patches joined into grains, and all that was between.

    Parameters
    ----------
    first, grains : Patches
        P patches as first made, and the G that are left.
    nodes : int array (G,)
        What each of them is among the parents.
    parents : int array (2 P - G,)
        Of the first patches and of what two of them became, in order of making; grains are their own.
    height : float array (2 P - G,)
        Probability of a split with which the two were joined; 0 for first patches.
    split : float array (E,)
        Of the seams that are left.
    """

    first: Patches
    grains: Patches
    nodes: Numbers
    parents: Numbers
    height: Column
    split: Column


def grown(patches: Patches, splits: Splits) -> Grown:
    """Join patches as :func:`joined` does, and remember how."""
    first, count = patches, len(patches.sums)
    parents, height = np.arange(2 * count - 1), np.zeros(2 * count - 1)
    nodes: Numbers = np.arange(count)
    following = count
    for done in rounds(patches, splits):
        patches, together = done.after, done.together
        both = np.bincount(together) == 2
        fresh = following + np.cumsum(both) - 1
        following += np.count_nonzero(both)
        twins = both[together]
        parents[nodes[twins]] = fresh[together[twins]]
        one, other = together[done.before.ends].T
        height[fresh[one[one == other]]] = done.split[one == other]
        kept = np.empty(len(both), dtype=np.int64)
        kept[together] = nodes
        nodes = np.where(both, fresh, kept)
    split = said_of(patches, splits)
    return Grown(first, patches, nodes, parents[:following], height[:following], np.ascontiguousarray(split))


def of_seams(parted: Grown) -> tuple[Nested, Between]:
    """Regions in the order of joining, and between pixels the probability that two grains are parted there.

    What is surer to be parted than not is joined by average linkage, up to the whole image. The probability is that
    with which the two sides were joined, or that of the seam between the two grains left there; 0 within a patch.
    """
    grains, made, left = parted.grains, len(parted.parents), len(parted.nodes)
    top = linked(Borders(left, grains.ends, parted.split, grains.seams[:, p.PAIRS]))
    numbers = np.concatenate([parted.nodes, np.arange(made, made + left - 1)])
    parents = np.concatenate([parted.parents, numbers[left:]])
    parents[numbers] = numbers[top]
    meeting = _meeting(parted.first, parents)
    nested = _nested(parted.first, parents, meeting)
    apart = meeting >= made
    split = parted.height[np.where(apart, 0, meeting)]
    ends = np.sort(grains.home[parted.first.ends[apart]], axis=1)
    split[apart] = parted.split[np.searchsorted(_codes(grains.ends, left), _codes(ends, left))]
    return nested, Between(*(np.append(split, 0.0)[seam] for seam, _ in _seams(parted.first)))


def _meeting(patches: Patches, parents: Numbers) -> Numbers:
    """Smallest node that holds both patches of each seam."""
    if not len(patches.ends):
        return np.zeros(0, dtype=np.int64)
    tree = hg.Tree(parents)
    tree.lowest_common_ancestor_preprocess()
    return np.asarray(tree.lowest_common_ancestor(*patches.ends.T), dtype=np.int64)


def _nested(patches: Patches, parents: Numbers, meeting: Numbers) -> Nested:
    height, width = patches.labels.shape
    tree = hg.Tree(np.concatenate([patches.labels.ravel(), parents]) + height * width)
    right, below = (np.where(seam < 0, patch, np.append(meeting, 0)[seam]) for seam, patch in _seams(patches))
    return Nested(indexed(tree, (height, width)), right, below, "seams")


def _seams(patches: Patches) -> Iterator[tuple[Numbers, Numbers]]:
    """Number of the seam between two neighbours, -1 where they lie in one patch, and the patch of the first of them."""
    labels, codes, count = patches.labels, _codes(patches.ends, len(patches.sums)), len(patches.sums)
    for one, other in ((labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])):
        seam = np.full(one.shape, -1)
        apart = one != other
        ends = np.sort(np.stack([one[apart], other[apart]], axis=1), axis=1)
        seam[apart] = np.searchsorted(codes, _codes(ends, count))
        yield seam, one


def _codes(ends: Numbers, count: int) -> Numbers:
    """One number for each pair of patches, rising as the pairs (E, 2) of :class:`Patches` do."""
    return np.asarray(ends[:, 0] * count + ends[:, 1])


def sureness(patches: Patches, splits: Splits) -> Column:
    """Mean over the outline of each patch (N,) of the probability that it is one; 0 for a patch alone."""
    length, said = patches.seams[:, p.PAIRS], said_of(patches, splits)
    return np.asarray(both_sides(patches, said * length) / np.maximum(both_sides(patches, length), 1))


def pairs(patches: Patches, split: Column, level: float) -> Numbers | None:
    """New numbers (N,) after joining every two patches that are each other's surest under ``level``; None: no pair."""
    count = len(patches.sums)
    first, second = patches.ends.T
    best = np.full(count, np.inf)
    np.minimum.at(best, first, split)
    np.minimum.at(best, second, split)
    mutual = (split <= best[first]) & (split <= best[second]) & (split < level)
    if not mutual.any():
        return None
    chosen = patches.ends[mutual]
    # Ties could make a patch part of two pairs: the first counts.
    once = _firsts(chosen.ravel(), count).reshape(chosen.shape).all(axis=1)
    target = np.arange(count)
    target[chosen[once, 1]] = chosen[once, 0]
    renumbered: Numbers = np.unique(target, return_inverse=True)[1].astype(np.int64)
    return renumbered


def _firsts(numbers: Numbers, count: int) -> NDArray[np.bool_]:
    """Whether each number (N,) of 0 … ``count`` - 1 stands at its first place."""
    place = np.full(count, len(numbers))
    np.minimum.at(place, numbers, np.arange(len(numbers)))
    return np.asarray(place[numbers] == np.arange(len(numbers)))

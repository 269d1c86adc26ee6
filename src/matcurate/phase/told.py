"""An expert's ratio that names some phases only, completed by what the model itself found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from matcurate.phase.ratios import Ratio

SLACK = 0.005
"""By so much typed ratios may exceed 1: they are rounded."""


def completed_ratio(given: Sequence[float | None], guess: Sequence[float]) -> Ratio:
    """Ratio of all phases from that of some.

    What is left of 1 goes to the matrix and to the phases without a value, in the proportions of the guess; all of it
    to the matrix when the guess has none of them.

    ``given``: area fraction of phase 1, 2, …, in [0, 1]; None where the expert said nothing; ``guess``: area fractions
    of the same phases that a model found, with sum 1 at most. Returns float array (n,), matrix first; sum 1. Raises
    ValueError when the lengths differ, or the given ones exceed 1.
    """
    if len(given) != len(guess):
        raise ValueError(f"{len(given)} ratios and {len(guess)} guesses; both are one for each phase but the matrix")
    known = sum(value for value in given if value is not None)
    if known > 1 + SLACK:
        raise ValueError(f"the phases' ratios add up to {known:.3g}; correct them to 1 or less")
    found = np.array([1 - sum(guess), *guess])
    open_ = np.array([True, *(value is None for value in given)])
    weights = np.where(open_, found.clip(0), 0.0)
    if not weights.sum():
        weights[0] = 1.0
    rest = max(0.0, 1 - known)
    shared = weights / weights.sum() * rest + np.array([0.0, *(value or 0.0 for value in given)])
    ratio: Ratio = shared / shared.sum()
    return ratio

"""An expert's ratio that names some phases only, completed by what the model itself found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from matcurate.phase.ratios import Ratio

SLACK = 0.005
"""Tolerance by which the sum of typed ratios may exceed 1: they are rounded."""


def completed_ratio(given: Sequence[float | None], guess: Sequence[float]) -> Ratio:
    """Complete an expert's ratio of some phases to that of all: (n,), matrix first, sum 1.

    ``given`` has the area fraction of phase 1, 2, …, None where the expert gave none; ``guess`` those that a model
    found, with sum 1 at most. The rest goes to the matrix and to the phases without a value in proportion to the guess,
    or to the matrix when the guess has none of them. Raises ValueError when the lengths differ, or the given ones
    exceed 1.
    """
    if len(given) != len(guess):
        raise ValueError(f"{len(given)} ratios and {len(guess)} guesses; both are one for each phase but the matrix")
    total = sum(value for value in given if value is not None)
    if total > 1 + SLACK:
        raise ValueError(f"the phases' ratios add up to {total:.3g}; correct them to 1 or less")
    shares = np.array([1 - sum(guess), *guess])
    open_ = np.array([True, *(value is None for value in given)])
    weights = np.where(open_, shares.clip(0), 0.0)
    if not weights.sum():
        weights[0] = 1.0
    rest = max(0.0, 1 - total)
    shared = weights / weights.sum() * rest + np.array([0.0, *(value or 0.0 for value in given)])
    ratio: Ratio = shared / shared.sum()
    return ratio

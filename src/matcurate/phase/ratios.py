"""Phase ratios: from a label map, and as an expert would guess them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matcurate.types import UNKNOWN, LabelMap

Ratio = NDArray[np.float64]
"""Area fraction of every phase (n,), with sum 1; all zero where none was given."""


def exact_ratio(labels: LabelMap, phases: int) -> Ratio:
    """Area fractions (n,) of phase ids (H, W), of the pixels that are not ``UNKNOWN``; equation 1 of the paper.

    Zeros where no pixel is known. Raises ValueError when there is no pixel, or an id of ``phases`` or more.
    """
    ids = labels[labels != UNKNOWN]
    if not labels.size or ids.max(initial=0) >= phases:
        raise ValueError(f"labels must hold ids below {phases}, got {ids.max() if labels.size else 'none'}")
    counts = np.bincount(ids.astype(np.int64), minlength=phases)
    ratio: Ratio = counts / max(1, ids.size)
    return ratio


def guessed_ratio(exact: Ratio, accuracy: float) -> Ratio:
    """Guess of an accuracy α: G_i = α P_i + (1 - α)(1 - P_i) / (n - 1); equations 4 and 5 of the paper, sum 1.

    Raises ValueError when α is outside [0, 1], or there are fewer than two phases.
    """
    if not 0 <= accuracy <= 1 or len(exact) < 2:
        raise ValueError(f"accuracy must lie in [0, 1] and phases be two or more, got {accuracy} and {len(exact)}")
    guess: Ratio = accuracy * exact + (1 - accuracy) * (1 - exact) / (len(exact) - 1)
    return guess


def no_ratio(phases: int) -> Ratio:
    """Zeros (n,), which stand for "not given"."""
    return np.zeros(phases)

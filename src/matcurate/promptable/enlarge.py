"""From SAM's low-resolution logits to regions of the image, enlarging only where a region can be."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from matcurate.types import Candidate

Span = tuple[int, int]


class Axis:
    """How one axis of the logits becomes an axis of the image: a banded matrix of bilinear weights.

    SAM enlarges ``logits`` samples (256) to its input size ``padded`` (1024), cuts the padding off after ``used``, and
    resizes to ``pixels``, bilinearly both times (``Sam.postprocess_masks``). Both steps are linear and act on each axis
    alone, so one matrix does both.
    """

    def __init__(self, logits: int, padded: int, used: int, pixels: int, device: torch.device) -> None:
        identity = torch.eye(logits)[None]
        enlarged = functional.interpolate(identity, padded, mode="linear", align_corners=False)[..., :used]
        weights = functional.interpolate(enlarged, pixels, mode="linear", align_corners=False)[0].T
        self.weights = weights.contiguous().to(device)
        self._touches = weights.numpy() > 0
        self._used = used * logits / padded

    def samples(self, step: int) -> int:
        """How many of the logits step k + step / 2 (k = 0, 1, …) have their middle inside the image."""
        return max(0, math.ceil((self._used - step / 2 - 0.5) / step))

    def reach(self, inner: Span) -> Span:
        """Pixels on which the logits ``inner`` (first, last exclusive) have weight; empty where padding."""
        return _span(np.any(self._touches[:, inner[0] : inner[1]], axis=1))

    def support(self, outer: Span) -> Span:
        """Logits that have weight on the pixels ``outer``."""
        return _span(np.any(self._touches[outer[0] : outer[1]], axis=0))


def _span(flags: NDArray[np.bool_]) -> Span:
    """First and last (exclusive) True; (0, 0) where there is none."""
    inside = np.flatnonzero(flags)
    return (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, 0)


class Enlargement:
    """Makes candidates of an image from masks of low-resolution logits; logits above ``threshold`` are inside."""

    def __init__(self, rows: Axis, columns: Axis, threshold: float) -> None:
        self.rows = rows
        self.columns = columns
        self.threshold = threshold

    def candidates(self, logits: torch.Tensor, quality: NDArray[np.float64]) -> tuple[Candidate, ...]:
        """Regions of the logits (C, S, S) with their qualities (C,), empty ones left out, smallest first."""
        candidates = [self.candidate(logit, float(score)) for logit, score in zip(logits, quality, strict=True)]
        return tuple(
            sorted(
                (candidate for candidate in candidates if candidate is not None), key=lambda candidate: candidate.area
            )
        )

    def candidate(self, logit: torch.Tensor, quality: float) -> Candidate | None:
        """Region of the logits (S, S); None where no pixel of the image is inside."""
        inside = logit > self.threshold
        high, wide = (_span(inside.any(dim=axis).cpu().numpy()) for axis in (1, 0))
        # A pixel of the image is inside only if a logit inside has weight on it.
        (top, bottom), (left, right) = self.rows.reach(high), self.columns.reach(wide)
        if top == bottom or left == right:
            return None
        first_row, last_row = self.rows.support((top, bottom))
        first_column, last_column = self.columns.support((left, right))
        window = logit[first_row:last_row, first_column:last_column]
        across = window @ self.columns.weights[left:right, first_column:last_column].T
        enlarged = self.rows.weights[top:bottom, first_row:last_row] @ across
        mask = (enlarged > self.threshold).cpu().numpy()
        (upper, lower), (near, far) = _span(np.any(mask, axis=1)), _span(np.any(mask, axis=0))
        if upper == lower:
            return None
        return Candidate(top + upper, left + near, np.ascontiguousarray(mask[upper:lower, near:far]), quality)

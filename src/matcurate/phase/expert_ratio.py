"""An expert's ratio that may name some phases only, and how far it is to be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from matcurate.phase.ratios import Ratio
from matcurate.types import FloatArray, Trust

SLACK = 0.005
"""Tolerance by which the sum of typed ratios may exceed 1: they are rounded."""


@dataclass(frozen=True, slots=True, eq=False)
class ExpertRatio:
    """Area fractions (n,) of a micrograph, matrix first, nan where the expert left a phase open; 0 means absent.

    Raises ValueError when a fraction lies outside of [0, 1], or they exceed 1 by more than rounding.
    """

    areas: FloatArray
    trust: Trust = "guess"

    def __post_init__(self) -> None:
        given = self.areas[np.isfinite(self.areas)]
        if ((given < 0) | (given > 1)).any():
            raise ValueError(f"the phases' ratios must lie between 0 and 1, got {self.areas.tolist()}")
        if given.sum() > 1 + SLACK:
            raise ValueError(f"the phases' ratios add up to {given.sum():.3g}; correct them to 1 or less")
        if given.sum() > 1 or (len(given) == len(self.areas) and given.sum()):
            object.__setattr__(self, "areas", self.areas / given.sum())

    @classmethod
    def of_phases(cls, given: Sequence[float | None], trust: Trust = "guess") -> ExpertRatio:
        """From the fractions of phase 1, 2, …, None where there is none; the matrix takes what is left."""
        return cls(np.array([np.nan, *(np.nan if value is None else value for value in given)]), trust)

    @property
    def names_all(self) -> bool:
        """Whether every phase but the matrix has a fraction."""
        return bool(np.isfinite(self.areas[1:]).all())

    def completed(self, own: FloatArray) -> Ratio:
        """Ratio (n,) of all phases, sum 1: what is left goes to the open ones in proportion to ``own`` (n,).

        ``own`` are the areas that the model finds; where it finds none of the open phases, the matrix gets the rest.
        """
        is_open = ~np.isfinite(self.areas)
        is_open[0] = is_open[0] or not is_open.any()
        ratio = np.where(np.isfinite(self.areas), self.areas, 0.0)
        weights = np.where(is_open, own.clip(0), 0.0)
        if not weights.sum():
            weights[0] = 1.0
        ratio += weights / weights.sum() * max(0.0, 1 - ratio.sum())
        completed: Ratio = ratio / ratio.sum()
        return completed

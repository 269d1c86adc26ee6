"""How far a trained model's areas are off, and how the areas of its training pictures are spread."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field
from scipy.special import logit

from matcurate.config import Strict
from matcurate.phase.constrained import LEAST_AREA, OWN_SD, AreaPrior, areas_of
from matcurate.phase.inference import phase_shares
from matcurate.phase.model import SegmentationModel
from matcurate.phase.ratios import exact_ratio, no_ratio
from matcurate.phase.samples import Picture
from matcurate.types import UNKNOWN, FloatArray

PICTURES_SD = 1.0
"""Spread of the areas of pictures in log-odds before any has been seen."""
WEIGHT = 4
"""Number of pictures that count as much as the default spreads: a spread of one or two pictures is worth little."""


class AreaStatistics(Strict):
    """Per phase, in log-odds: standard deviation of the model's own areas around the truth; areas of the pictures."""

    spread: tuple[float, ...] = Field(description="Standard deviation of the model's own areas around the truth.")
    mean: tuple[float, ...] = Field(description="Mean area in the training pictures.")
    sd: tuple[float, ...] = Field(description="Standard deviation of the area between training pictures.")

    def prior(self) -> AreaPrior:
        """What a guess is weighed against: the model's own areas with their spread."""
        return AreaPrior(np.array(self.spread))


def measure_areas(
    model: SegmentationModel, pictures: Sequence[Picture], validation: Sequence[Picture]
) -> AreaStatistics:
    """Measure the spread on the validation part, and the areas of all labelled pictures."""
    own = [
        areas_of(phase_shares(model, item.grey, no_ratio(model.phases)), item.labels != UNKNOWN) for item in validation
    ]
    ratios = [exact_ratio(item.labels, model.phases) for item in (*pictures, *validation)]
    return area_statistics(np.array(ratios), np.array(own).reshape(len(own), model.phases))


def area_statistics(ratios: FloatArray, own: FloatArray) -> AreaStatistics:
    """Statistics of true areas (N, n) of pictures, and of a model's own areas (M, n) of the last M of them.

    The spreads are drawn to the defaults as by ``WEIGHT`` further pictures.
    """
    odds, found = (logit(areas.clip(LEAST_AREA, 1 - LEAST_AREA)) for areas in (ratios, own))
    errors = found - odds[len(odds) - len(found) :]
    spread = np.sqrt((WEIGHT * OWN_SD**2 + (errors**2).sum(axis=0)) / (WEIGHT + len(errors)))
    mean = odds.mean(axis=0)
    sd = np.sqrt((WEIGHT * PICTURES_SD**2 + ((odds - mean) ** 2).sum(axis=0)) / (WEIGHT + len(odds) - 1))
    return AreaStatistics(spread=tuple(spread.tolist()), mean=tuple(mean.tolist()), sd=tuple(sd.tolist()))

"""Nearest-neighbour distances of objects, corrected for neighbours beyond the edge of the image.

K.-H. Hanisch, "Some remarks on estimators of the distribution function of nearest neighbour distance in stationary
spatial point processes", Mathematische Operationsforschung und Statistik, Series Statistics 15 (1984) 409-412. P. J.
Clark, F. C. Evans, Ecology 35 (1954) 445-453.
"""

from dataclasses import dataclass

import numpy as np

from matcurate.morphology.numbering import Floats
from matcurate.morphology.objects import ObjectTable, nearest_distances
from matcurate.morphology.sizes import whole_weights
from matcurate.morphology.units import Unit
from matcurate.types import BoolMask


@dataclass(frozen=True, slots=True)
class Spacing:
    """Distances between the centroids of nearest objects of one phase (None: of all), in the report's unit.

    ``objects`` counts those whose nearest neighbour is closer than the edge of the image, and so is surely their
    nearest; mean and deviation use Hanisch's weights, and are None without such objects. ``ratio_to_random`` is the
    mean over that of points thrown at random, 1 / (2 √N_A): below 1 clustered, above 1 ordered (Clark and Evans).
    """

    phase: int | None
    objects: int
    mean: float | None
    deviation: float | None
    ratio_to_random: float | None


def measure_spacing(table: ObjectTable, shape: tuple[int, int], unit: Unit, phase: int | None = None) -> Spacing:
    """Nearest-neighbour distances within one phase, or among all objects, of an image of ``shape`` (H, W)."""
    chosen = np.ones(len(table), dtype=np.bool_) if phase is None else table.phase == phase
    x, y = table.x[chosen], table.y[chosen] * unit.aspect
    distance = nearest_distances(x, y)
    sure, weight = _hanisch(x, y, distance, (shape[0] * unit.aspect, shape[1]), unit.aspect)
    if not sure.any():
        return Spacing(phase, 0, None, None, None)
    share = weight / weight.sum()
    mean = float(share @ distance[sure])
    deviation = float(np.sqrt(share @ (distance[sure] - mean) ** 2))
    density = float(whole_weights(table, shape)[chosen].sum()) / unit.aspect
    ratio = 2 * mean * np.sqrt(density) if density else None
    count = int(np.count_nonzero(sure))
    return Spacing(phase, count, mean * unit.per_px, deviation * unit.per_px, None if ratio is None else float(ratio))


def _hanisch(
    x: Floats, y: Floats, distance: Floats, extent: tuple[float, float], aspect: float
) -> tuple[BoolMask, Floats]:
    """Which points are nearer to their neighbour than to the edge, and the inverse area where that could have been."""
    height, width = extent
    half = aspect / 2  # from the centre of a pixel to its upper side
    border = np.minimum(np.minimum(x + 0.5, width - 0.5 - x), np.minimum(y + half, height - half - y))
    sure = distance < border  # False for NaN
    inner = distance[sure]
    return sure, 1.0 / ((width - 2 * inner) * (height - 2 * inner))

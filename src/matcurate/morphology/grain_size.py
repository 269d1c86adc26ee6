"""ASTM E112 grain size number by lineal intercept (Heyn) and by planimetric count (Jeffries).

ASTM E112-13, Standard Test Methods for Determining Average Grain Size, table 6: G from the mean intercept and from the
number of grains per area. S. A. Saltykov, Stereometric Metallography (1958): counts in a rectangle.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import log10

import numpy as np

from matcurate.morphology.fields import Estimate, estimate, windows
from matcurate.morphology.intercepts import count_intercepts
from matcurate.morphology.numbering import LabelIds
from matcurate.morphology.units import Unit


@dataclass(frozen=True, slots=True)
class InterceptGrainSize:
    """Grain size by lineal intercept; lengths in the report's unit.

    G and its 95 % interval are None without a pixel size; ``low`` also where the interval reaches to no boundary at
    all. ``relative_accuracy`` is half the interval over the intercepts per length; the standard calls 0.1 acceptable.
    ``mean_intercept`` is that of a chord through a grain, ``intercepts`` the chords counted in all directions, and
    ``anisotropy`` the mean intercept along the rows over that along the columns; None when no row meets a boundary.
    """

    grain_size_number: float | None
    low: float | None
    high: float | None
    relative_accuracy: float
    mean_intercept: float
    intercepts: float
    line_length: float
    fields: int
    anisotropy: float | None


@dataclass(frozen=True, slots=True)
class PlanimetricGrainSize:
    """Grain size by planimetric count; G and its interval as in :class:`InterceptGrainSize`.

    ``relative_accuracy`` is half the interval over the grains per area (of the report's unit, squared). ``grains`` in
    the image are inside + intercepted / 2 - corners / 4: those that touch no edge, those that do, and covered corners.
    """

    grain_size_number: float | None
    low: float | None
    high: float | None
    relative_accuracy: float
    grains: float
    inside: int
    intercepted: int
    corners: int
    grains_per_area: float
    mean_area: float
    fields: int


def number_from_intercept(mean_intercept_mm: float) -> float:
    """G = -6.643856 log10(l) - 3.288 with l in mm (E112, table 6): 0.0 at l = 0.32 mm."""
    return -6.643856 * log10(mean_intercept_mm) - 3.288


def number_from_density(grains_per_mm2: float) -> float:
    """G = 3.321928 log10(N_A) - 2.954 with N_A per mm² (E112, table 6): 1.0 at 15.5 grains per mm²."""
    return 3.321928 * log10(grains_per_mm2) - 2.954


def intercept_grain_size(grains: LabelIds, unit: Unit) -> InterceptGrainSize | None:
    """Lay test lines over a map (H, W) of grains that meet without lines between them; None when none meets a boundary.

    0 is no grain, and no test line counts there.
    """
    whole = count_intercepts(grains, unit.aspect)
    per_length = whole.per_length
    if not per_length:
        return None
    fields = windows(grains.shape, unit.aspect, 1 / per_length)
    rates = [count_intercepts(grains[field], unit.aspect).per_length for field in fields]
    spread = estimate(per_length, np.array(rates))
    scale = unit.mm_per_px
    number, low, high = _numbers(spread, lambda rate: number_from_intercept(scale / rate)) if scale else _UNKNOWN
    rows, columns = whole.chords[:2] / whole.length[:2]
    return InterceptGrainSize(
        number,
        low,
        high,
        relative_accuracy=spread.relative_accuracy or 0.0,
        mean_intercept=unit.per_px / per_length,
        intercepts=float(whole.chords.sum()),
        line_length=float(whole.length.sum()) * unit.per_px,
        fields=spread.fields,
        anisotropy=float(columns / rows) if rows else None,
    )


def planimetric_grain_size(grains: LabelIds, unit: Unit) -> PlanimetricGrainSize | None:
    """Count grains of a map (H, W) that meet without lines between them; None when there is less than one.

    The test figure is the image: the rectangle through the centres of its outermost pixels, without what is no grain
    (0). A grain on an edge counts one half and on a corner one quarter (Saltykov), which is unbiased for convex grains
    smaller than the image.
    """
    whole = RectangleCount.of(grains, unit.aspect)
    if whole.grains < 1:
        return None
    mean_area = whole.area / whole.grains
    fields = windows(grains.shape, unit.aspect, float(np.sqrt(mean_area)))
    counts = [RectangleCount.of(grains[field], unit.aspect) for field in fields]
    densities = np.array([count.grains / count.area if count.area else 0.0 for count in counts])
    spread = estimate(1 / mean_area, densities)
    scale = unit.mm_per_px
    number, low, high = _numbers(spread, lambda rate: number_from_density(rate / scale**2)) if scale else _UNKNOWN
    return PlanimetricGrainSize(
        number,
        low,
        high,
        relative_accuracy=spread.relative_accuracy or 0.0,
        grains=whole.grains,
        inside=whole.inside,
        intercepted=whole.intercepted,
        corners=whole.corners,
        grains_per_area=1 / (mean_area * unit.per_px**2),
        mean_area=mean_area * unit.per_px**2,
        fields=spread.fields,
    )


@dataclass(frozen=True, slots=True)
class RectangleCount:
    """Grains in the rectangle whose edges run through the centres of the outermost pixels.

    Its edges do not cut ``inside`` grains and cut ``intercepted`` ones; a grain covers ``corners`` of its corners.
    ``area`` is what grains cover, in squared widths of a pixel: a pixel on an edge is half inside, on a corner a
    quarter.
    """

    inside: int
    intercepted: int
    corners: int
    area: float

    @classmethod
    def of(cls, grains: LabelIds, aspect: float = 1.0) -> "RectangleCount":
        """Count in the whole of a map (H, W) of pixels ``aspect`` times as high as wide."""
        present = np.count_nonzero(np.bincount(grains.ravel())[1:])
        rim = np.unique(np.concatenate([grains[0], grains[-1], grains[:, 0], grains[:, -1]]))
        cut = int(np.count_nonzero(rim))
        corners = int(np.count_nonzero(grains[[0, 0, -1, -1], [0, -1, 0, -1]]))
        covered = grains > 0
        ends = covered[0].sum() + covered[-1].sum() + covered[:, 0].sum() + covered[:, -1].sum()
        pixels = int(np.count_nonzero(covered)) - int(ends) / 2 + corners / 4
        return cls(int(present) - cut, cut, corners, pixels * aspect)

    @property
    def grains(self) -> float:
        """A grain on an edge counts one half, on a corner one quarter."""
        return self.inside + self.intercepted / 2 - self.corners / 4


_UNKNOWN = (None, None, None)


def _numbers(spread: Estimate, number: Callable[[float], float]) -> tuple[float, float | None, float]:
    """G of the mean, of the lower end (None where that is no grain at all) and of the upper end."""
    return number(spread.mean), number(spread.low) if spread.low > 0 else None, number(spread.high)

"""Size distribution of objects, corrected for what the edge of the image cuts.

A large object is cut by the edge more often than a small one; leaving cut objects out makes the rest look smaller.
Every object that lies whole in the image therefore counts by the inverse of its chance to do so (Miles, Lantuéjoul).

R. E. Miles, "On the elimination of edge effects in planar sampling", in Stochastic Geometry (1974) 228-247. C.
Lantuéjoul, "On the estimation of mean values in individual analysis of particles", Microscopica Acta, Suppl. 4 (1980)
266-273. J. Serra, Image Analysis and Mathematical Morphology (1982), chapter VIII.
"""

from dataclasses import dataclass

import numpy as np

from matcurate.morphology.numbering import Floats
from matcurate.morphology.objects import ObjectTable
from matcurate.morphology.units import Unit
from matcurate.types import BoolMask

BINS = 12


@dataclass(frozen=True, slots=True)
class SizeDistribution:
    """Sizes of the objects of one phase (None: of all), border-corrected; lengths and areas in the report's unit.

    ``cut`` objects, which the edge of the image cuts, are left out. Means are by number, of area and equivalent
    diameter, with the diameter's standard deviation; 10, 50 and 90 % of the objects lie below ``d10``, ``d50`` and
    ``d90``; all None without objects. ``edges`` bound the diameter classes, equal steps of the logarithm, whose
    ``shares`` sum to 1.
    """

    phase: int | None
    whole: int
    cut: int
    per_area: float
    mean_area: float | None
    mean_diameter: float | None
    deviation: float | None
    d10: float | None
    d50: float | None
    d90: float | None
    edges: tuple[float, ...]
    shares: tuple[float, ...]


def whole_weights(table: ObjectTable, shape: tuple[int, int]) -> Floats:
    """Inverse of the number of places (in pixels) at which an object of this size does not touch the edge; (N,).

    0 for objects that touch it. Their sum estimates the number of objects per pixel without bias.
    """
    height, width = shape
    places = (height - 1 - table.height) * (width - 1 - table.width)
    weights: Floats = np.divide(1.0, places, out=np.zeros(len(table)), where=~table.touches_border)
    return weights


def size_distribution(
    table: ObjectTable, shape: tuple[int, int], unit: Unit, phase: int | None = None
) -> SizeDistribution:
    """Measure the sizes of one phase's objects, or of all, in an image of ``shape`` (H, W)."""
    chosen: BoolMask = np.ones(len(table), dtype=np.bool_) if phase is None else table.phase == phase
    whole = chosen & ~table.touches_border
    weight = whole_weights(table, shape)[whole]
    diameter = table.equivalent_diameter[whole] * unit.per_px
    area = table.area[whole] * unit.aspect * unit.per_px**2
    count, cut = int(np.count_nonzero(whole)), int(np.count_nonzero(chosen & table.touches_border))
    if count == 0:
        return SizeDistribution(phase, 0, cut, 0.0, None, None, None, None, None, None, (), ())
    share = weight / weight.sum()
    mean = float(share @ diameter)
    edges, shares = _histogram(diameter, share)
    d10, d50, d90 = weighted_quantiles(diameter, share, (0.1, 0.5, 0.9))
    return SizeDistribution(
        phase=phase,
        whole=count,
        cut=cut,
        per_area=float(weight.sum()) / (unit.aspect * unit.per_px**2),
        mean_area=float(share @ area),
        mean_diameter=mean,
        deviation=float(np.sqrt(share @ (diameter - mean) ** 2)),
        d10=d10,
        d50=d50,
        d90=d90,
        edges=edges,
        shares=shares,
    )


def weighted_quantiles(values: Floats, weights: Floats, levels: tuple[float, ...]) -> tuple[float, ...]:
    """Smallest values (N,) up to which at least each level of the total weight (N,) lies."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    reached /= reached[-1]
    at = np.searchsorted(reached, np.array(levels) - 1e-12)  # a sum of shares may miss its level by a rounding
    return tuple(values[order][at].tolist())


def _histogram(diameter: Floats, share: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    low, high = float(diameter.min()), float(diameter.max())
    if np.isclose(low, high):
        low, high = low / 1.1, high * 1.1
    edges = np.geomspace(low, high, BINS + 1)
    edges[0], edges[-1] = low, high
    shares, _ = np.histogram(diameter, bins=edges, weights=share)
    return tuple(edges.tolist()), tuple(shares.tolist())

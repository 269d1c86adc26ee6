"""Phase fractions with their intervals: by all pixels, and by ASTM E562 point count; mean chords of the phases.

ASTM E562-19, Standard Test Method for Determining Volume Fraction by Systematic Manual Point Count. P. Debye, H. R.
Anderson, H. Brumberger, J. Appl. Phys. 28 (1957) 679: correlation length of two phases from chords.
"""

from dataclasses import dataclass

import numpy as np

from matcurate.morphology.fields import Estimate, Window, estimate, windows
from matcurate.morphology.intercepts import count_intercepts
from matcurate.morphology.numbering import Floats
from matcurate.morphology.units import Unit
from matcurate.types import BoolMask, LabelMap

GRIDS = ((0.05, 10), (0.10, 7), (0.20, 5), (1.00, 4))
"""Points along each edge of a field's grid for fractions up to each bound: 100, 49, 25 and 16, as E562 advises."""


@dataclass(frozen=True, slots=True)
class Fraction:
    """An area fraction with its 95 % interval from the spread of the fields, held inside [0, 1].

    ``relative_accuracy`` is half of the symmetric interval over the fraction (E562's %RA / 100), None when it is 0;
    ``points`` are those of the grid in each field, or its pixels.
    """

    fraction: float
    low: float
    high: float
    relative_accuracy: float | None
    fields: int
    points: int

    @classmethod
    def of(cls, spread: Estimate, points: int) -> "Fraction":
        """Hold the interval inside [0, 1]."""
        held = spread.clipped(0.0, 1.0)
        return cls(spread.mean, held.low, held.high, spread.relative_accuracy, spread.fields, points)


@dataclass(frozen=True, slots=True)
class PhaseReport:
    """Report of one phase: its fraction over all pixels and over a systematic grid (ASTM E562).

    ``mean_chord`` is the mean length of a test line inside the phase, in the report's unit: the mean free path, for a
    matrix. None when no line meets its boundary.
    """

    id: int
    name: str | None
    area_fraction: Fraction
    point_count: Fraction
    mean_chord: float | None


def measure_phases(phases: LabelMap, unit: Unit, names: tuple[str, ...] = ()) -> tuple[PhaseReport, ...]:
    """Measure every class (H, W) that occurs, background included; ``names[i]`` is that of class i."""
    return tuple(
        _measure(phases == phase, int(phase), names[phase] if phase < len(names) else None, unit)
        for phase in np.unique(phases)
    )


def _measure(inside: BoolMask, phase: int, name: str | None, unit: Unit) -> PhaseReport:
    chord, length = _chords(inside, unit.aspect)
    fields = windows(inside.shape, unit.aspect, length)
    return PhaseReport(
        phase,
        name,
        area_fraction=area_fraction(inside, fields),
        point_count=point_count(inside, fields, grid_for(float(inside.mean()))),
        mean_chord=chord * unit.per_px if chord is not None else None,
    )


def area_fraction(inside: BoolMask, fields: list[Window]) -> Fraction:
    """Share of the pixels of ``inside`` (H, W), with the interval from the shares in the fields."""
    shares = np.array([inside[field].mean() for field in fields])
    return Fraction.of(estimate(float(inside.mean()), shares), inside.size // len(fields))


def point_count(inside: BoolMask, fields: list[Window], along: int) -> Fraction:
    """ASTM E562: a grid of points in every field; a point in the phase counts one, on its boundary one half.

    The grid has ``along`` points along each edge, in the middle of equal cells of the field.
    """
    shares = np.array([_grid_values(inside[field], along).mean() for field in fields])
    return Fraction.of(estimate(float(shares.mean()), shares), along**2)


def grid_for(fraction: float) -> int:
    """Points along each edge of the grid that E562 recommends for an expected fraction."""
    return next(along for bound, along in GRIDS if fraction <= bound)


def _grid_values(inside: BoolMask, along: int) -> Floats:
    """1, 1/2 or 0 at every point; a point between two pixels sees both, between four all of them."""
    places = []
    for edge in inside.shape:
        at = (np.arange(along) + 0.5) * edge / along  # from the edge of the field, in pixels
        before = np.clip(np.ceil(at).astype(int) - 1, 0, edge - 1)
        places.append((before, np.floor(at).astype(int)))
    seen = np.mean([inside[np.ix_(rows, columns)] for rows in places[0] for columns in places[1]], axis=0)
    return np.where((seen > 0) & (seen < 1), 0.5, seen)


def _chords(inside: BoolMask, aspect: float) -> tuple[float | None, float]:
    """Mean chord in the phase, and the correlation length l1 l2 / (l1 + l2) of it and the rest, in pixel widths."""
    one = count_intercepts(inside.astype(np.uint8), aspect).per_length
    other = count_intercepts((~inside).astype(np.uint8), aspect).per_length
    return (1 / one if one else None), (1 / (one + other) if one + other else 0.0)

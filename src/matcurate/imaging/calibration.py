"""Physical pixel sizes as files state them, and which of them is used."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from matcurate.types import Calibration

NM_PER_UNIT: Mapping[str, float] = {
    **{"fm": 1e-6, "pm": 1e-3, "mm": 1e6, "millimeter": 1e6, "cm": 1e7, "inch": 2.54e7},
    **dict.fromkeys(("a", "å", "angstrom"), 0.1),
    **dict.fromkeys(("nm", "nanometer", "nanometre"), 1.0),
    **dict.fromkeys(("um", "µm", "micron", "microns", "micrometer", "micrometre"), 1e3),
    **dict.fromkeys(("m", "meter", "meters", "metre"), 1e9),
}
_DAMAGED_MICROMETRES = ("?m", "\ufffdm", "âµm", "ï¿½m")
"""What is left of "µm" after a program has written it in one encoding and another has read it in a second."""
SQUARE_WITHIN = 0.01
"""Largest relative difference of the two edges of a pixel that still counts as square."""
AGREE_WITHIN = 0.02
"""Largest relative difference of two stated sizes of one pixel that needs no warning: texts give three digits."""
SMALLEST_NM, LARGEST_NM = 1e-5, 1e9
"""Limits of a believable pixel: a hundredth of a picometre, a metre."""
LARGEST_ASPECT = 20.0
"""Largest believable ratio of the edges of a pixel: a specimen tilted by 87°."""


@dataclass(frozen=True, slots=True)
class StatedScale:
    """Width ``x_nm`` and height ``y_nm`` of a pixel in nanometres that one field of a file states, not checked yet.

    ``source`` names the field, as ``FEI Scan.PixelWidth``. Without a height, pixels are square.
    """

    x_nm: float
    source: str
    y_nm: float | None = None

    @classmethod
    def metres(cls, x: float | None, source: str, y: float | None = None) -> tuple["StatedScale", ...]:
        """The scale of edges in m; none without a width."""
        return (cls(x * 1e9, source, y * 1e9 if y else None),) if x else ()

    @property
    def calibration(self) -> Calibration | None:
        """What is stated, None where it cannot be."""
        x, y = self.x_nm, self.x_nm if self.y_nm is None else self.y_nm
        if not all(SMALLEST_NM <= edge <= LARGEST_NM for edge in (x, y)):  # also refuses NaN
            return None
        aspect = 1.0 if abs(y - x) <= SQUARE_WITHIN * x else y / x
        return Calibration(x, aspect, self.source) if 1 / LARGEST_ASPECT <= aspect <= LARGEST_ASPECT else None


def agreed_calibration(scales: Iterable[StatedScale]) -> tuple[Calibration | None, tuple[str, ...]]:
    """Use the first believable size, None without one; the most trusted scale comes first.

    There is a warning, which names both fields, for each later size that differs by more than :data:`AGREE_WITHIN`.
    """
    believable = [calibration for scale in scales if (calibration := scale.calibration) is not None]
    if not believable:
        return None, ()
    used, *others = believable
    warnings = [
        f"{used.source} states {_edges(used)} nm per pixel, {other.source} states {_edges(other)}; the first is used"
        for other in others
        if abs(other.nm_per_px - used.nm_per_px) > AGREE_WITHIN * used.nm_per_px
    ]
    return used, tuple(warnings)


def nm_per_unit(unit: str) -> float | None:
    r"""Nanometres in a unit of length as microscopes spell it (``µm``, ``\u00B5m``, ``?m``, ``micron`` …).

    None for what is no length: an unknown unit, ``pixel``, ``1/nm``.
    """
    text = unit.strip().lower().replace("\\u00b5", "µ").replace("μ", "µ").replace("ångström", "angstrom")
    return NM_PER_UNIT["µm"] if text in _DAMAGED_MICROMETRES else NM_PER_UNIT.get(text)


def number(value: object) -> float | None:
    """A finite number from a field of a file, also from text with a decimal comma; None for anything else."""
    if isinstance(value, str):
        value = value.strip().replace(",", ".")
    elif isinstance(value, bool) or not hasattr(value, "__float__"):
        return None
    try:
        result = float(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def length_nm(value: object, unit: str | None = None) -> float | None:
    """Nanometres of a length: a number with its unit apart, or a text such as ``2,615 µm``; None for anything else."""
    if unit is None and isinstance(value, str):
        value, _, unit = value.strip().partition(" ")
    amount, scale = number(value), None if unit is None else nm_per_unit(unit)
    return None if amount is None or scale is None else amount * scale


def _edges(calibration: Calibration) -> str:
    x, y = calibration.nm_per_px, calibration.nm_per_px_y
    return f"{x:.5g}" if calibration.aspect == 1 else f"{x:.5g} x {y:.5g}"

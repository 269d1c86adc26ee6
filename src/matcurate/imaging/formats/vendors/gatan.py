"""Gatan DigitalMicrograph: scale and unit of each axis in private tags."""

from matcurate.imaging.calibration import StatedScale, length_nm
from matcurate.imaging.formats.vendors.statement import Statement, TiffContext

_UNITS, _SCALES = (65003, 65004), (65009, 65010)


def read(context: TiffContext) -> Statement:
    """Pixel size; none in units that are no lengths, as 1/nm of a diffraction pattern."""
    units = [context.tag(code) for code in _UNITS]
    edges = [
        length_nm(context.tag(code), unit) if isinstance(unit, str) else None
        for code, unit in zip(_SCALES, units, strict=True)
    ]
    return Statement((StatedScale(edges[0], "Gatan tag 65009", edges[1]),) if edges[0] else ())

"""TVIPS EM-Menu: the tag 37706."""

from matcurate.imaging.calibration import StatedScale, number
from matcurate.imaging.formats.vendors.statement import Statement, TiffContext
from matcurate.imaging.metadata import scaled, stated

_TAG = 37706
_DIFFRACTION = 3
"""Mode of the microscope in which a pixel is an angle."""


def read(context: TiffContext) -> Statement:
    """``PixelSizeX`` and ``PixelSizeY`` in nm, and the recording."""
    fields = context.tag(_TAG)
    if not isinstance(fields, dict):
        return Statement()
    width, height = (number(fields.get(f"PixelSize{axis}")) for axis in "XY")
    image = fields.get("TemMode") != _DIFFRACTION
    return Statement(
        (StatedScale(width, "TVIPS PixelSizeX", height or None),) if width and image else (),
        stated(
            instrument=fields.get("TemType"),
            detector=fields.get("CameraType"),
            voltage_kv=scaled(fields.get("TemHighTension"), 1e-3),
            magnification=fields.get("TemMagnification") if image else None,
        ),
    )

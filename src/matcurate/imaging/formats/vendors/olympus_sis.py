"""Olympus Soft Imaging Solutions: the tags 33560 and 33471."""

from datetime import datetime

from matcurate.imaging.calibration import StatedScale, number
from matcurate.imaging.formats.vendors.statement import Statement, TiffContext
from matcurate.imaging.metadata import stated

TAGS = (33471, 33560)


def read(context: TiffContext) -> Statement:
    """Pixel width and height in m, and the camera."""
    fields = context.fields(*TAGS)
    width, height = (number(fields.get(f"pixelsize{axis}")) for axis in "xy")
    moment = fields.get("datetime")
    return Statement(
        StatedScale.metres(width, "Olympus SIS pixel size", height),
        stated(
            detector=fields.get("cameraname"),
            magnification=fields.get("magnification"),
            acquired_at=moment.isoformat() if isinstance(moment, datetime) else None,
        ),
    )

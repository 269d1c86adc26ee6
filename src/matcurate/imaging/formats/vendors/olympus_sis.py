"""Olympus Soft Imaging Solutions: the tags 33560 and 33471."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from matcurate.imaging.calibration import StatedScale, number
from matcurate.imaging.formats.vendors.statement import Statement, TiffContext
from matcurate.imaging.metadata import stated

TAGS = (33471, 33560)


def read(context: TiffContext) -> Statement:
    """Pixel width and height in m, and the camera."""
    fields: dict[str, Any] = {}
    for code in TAGS:
        if isinstance(value := context.tag(code), dict):
            fields |= value
    width, height = (number(fields.get(f"pixelsize{axis}")) for axis in "xy")
    moment = fields.get("datetime")
    return Statement(
        (StatedScale(width * 1e9, "Olympus SIS pixel size", height * 1e9 if height else None),) if width else (),
        stated(
            detector=fields.get("cameraname"),
            magnification=fields.get("magnification"),
            acquired_at=moment.isoformat() if isinstance(moment, datetime) else None,
        ),
    )

"""Hitachi SEM: a text beside the image, often in UTF-16."""

from matcurate.imaging.calibration import StatedScale, length_nm, number
from matcurate.imaging.formats.vendors.statement import PageContext, Statement, sections
from matcurate.imaging.metadata import iso_time, scaled, stated


def read(context: PageContext) -> Statement:
    """``PixelSize`` in nm, and the recording."""
    text = context.beside(".txt")
    fields = {} if text is None else sections(text).get("SemImageFile", {})
    if not fields:
        return Statement()
    size = number(fields.get("PixelSize"))
    distance = length_nm(fields.get("WorkingDistance"))
    when = f"{fields.get('Date', '')} {fields.get('Time', '')}"
    return Statement(
        (StatedScale(size, "Hitachi PixelSize"),) if size else (),
        stated(
            instrument=fields.get("InstructName") or fields.get("InstrumentName"),
            detector=fields.get("SignalName"),
            voltage_kv=_kilovolts(fields.get("AcceleratingVoltage", "")),
            magnification=fields.get("Magnification"),
            working_distance_mm=None if distance is None else distance * 1e-6,
            acquired_at=iso_time(when, ("%Y/%m/%d %H:%M:%S",)),
            image_rows=fields.get("DataSize", "").lower().partition("x")[2],
            height=context.height,
        ),
    )


def _kilovolts(text: str) -> float | None:
    """``15000 Volt`` or ``15.0 kV``."""
    digits, _, unit = text.partition(" ")
    return scaled(digits, {"kv": 1.0, "volt": 1e-3, "v": 1e-3}.get(unit.strip().lower(), 1e-3))

"""Tescan: a header file beside the image, or the same text in the tag 50431."""

from matcurate.imaging.calibration import StatedScale, number
from matcurate.imaging.formats.vendors.statement import PageContext, Sections, Statement, decoded_text, sections
from matcurate.imaging.metadata import Acquisition, iso_time, scaled, stated

_TAG = 50431


def read(context: PageContext) -> Statement:
    """``PixelSizeX`` and ``PixelSizeY`` in m, and the recording."""
    text = _tag_text(context) or context.beside("-tif.hdr", ".hdr", "-png.hdr")
    ini = {} if text is None else sections(text)
    main = {**ini.get("", {}), **ini.get("MAIN", {})}
    width, height = (number(main.get(f"PixelSize{axis}")) for axis in "XY")
    scales = StatedScale.metres(width, "Tescan PixelSizeX", height)
    return Statement(scales, _acquisition(ini, context.height)) if scales else Statement()


def _tag_text(context: PageContext) -> str | None:
    value = context.tag(_TAG)
    if isinstance(value, str):
        return value
    # Binary blocks stand before the text; its keys are looked for line by line.
    data = bytes(value) if isinstance(value, (bytes, bytearray)) else b""
    start = data.find(b"[MAIN]")
    if start < 0:
        start = data.rfind(b"\n", 0, data.find(b"PixelSizeX=") + 1) if b"PixelSizeX=" in data else len(data)
    return decoded_text(data[max(start, 0) :]) or None


def _acquisition(ini: Sections, height: int) -> Acquisition:
    fields = {key: value for section in ini.values() for key, value in section.items()}
    strip = number(fields.get("ImageStripSize"))
    when = f"{fields.get('Date', '')} {fields.get('Time', '')}"
    return stated(
        instrument=fields.get("DeviceModel") or fields.get("Device"),
        detector=fields.get("Detector") or fields.get("Detector0"),
        voltage_kv=scaled(fields.get("HV"), 1e-3),
        magnification=fields.get("Magnification"),
        working_distance_mm=scaled(fields.get("WD"), 1e3),
        acquired_at=iso_time(when, ("%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M:%S")),
        image_rows=height - strip if strip is not None and 0 < strip < height else None,
    )

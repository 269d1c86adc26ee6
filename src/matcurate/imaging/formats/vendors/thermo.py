"""FEI and Thermo Fisher: INI texts in the tags 34680 and 34682, an XML text in the tag 34683."""

from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree

from matcurate.imaging.calibration import StatedScale, number
from matcurate.imaging.formats.vendors.statement import Statement, TiffContext, xml_root
from matcurate.imaging.metadata import UNKNOWN, Acquisition, iso_time, scaled, stated

_INI_TAGS, _XML_TAG = (34680, 34682), 34683
_SCANS = ("Scan", "EScan", "IScan")
_BEAMS = ("EBeam", "IBeam", "IRBeam")


def read(context: TiffContext) -> Statement:
    """Pixel width and height in m; for the navigation camera the field of view over the resolution."""
    ini = context.fields(*_INI_TAGS)
    text = context.tag(_XML_TAG)
    xml = xml_root(text) if isinstance(text, str) else None
    scales = (*_ini_scales(ini), *(() if xml is None else _xml_scales(xml)))
    recording = _ini_acquisition(ini, context.height) if ini else UNKNOWN
    return Statement(scales, recording if xml is None else recording.completed(_xml_acquisition(xml, context)))


def _section(ini: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = ini.get(name)
    return section if isinstance(section, dict) else {}


def _ini_scales(ini: Mapping[str, Any]) -> Iterator[StatedScale]:
    scales: list[StatedScale] = []
    for name in _SCANS:
        width, height = (number(_section(ini, name).get(key)) for key in ("PixelWidth", "PixelHeight"))
        scales += StatedScale.metres(width, f"FEI {name}.PixelWidth", height)
    yield from scales or _field_scales(ini)


def _field_scales(ini: Mapping[str, Any]) -> list[StatedScale]:
    """Horizontal and vertical field width over the resolution: cameras do not scan, and state no pixel width."""
    columns, rows = (number(_section(ini, "Image").get(key)) for key in ("ResolutionX", "ResolutionY"))
    for name in (_beam(ini), *_BEAMS):
        wide, high = (number(_section(ini, name).get(key)) for key in ("HFW", "VFW"))
        if wide and columns:
            y = high * 1e9 / rows if high and rows else None
            return [StatedScale(wide * 1e9 / columns, f"FEI {name}.HFW / Image.ResolutionX", y)]
    return []


def _beam(ini: Mapping[str, Any]) -> str:
    """Name of the section of the beam that made the image."""
    name = _section(ini, "Beam").get("Beam")
    return name if isinstance(name, str) and name else _BEAMS[0]


def _ini_acquisition(ini: Mapping[str, Any], height: int) -> Acquisition:
    beam, user = _section(ini, _beam(ini)), _section(ini, "User")
    created = _section(ini, "PrivateFei").get("TimeOfCreation")
    return stated(
        instrument=_section(ini, "System").get("SystemType"),
        detector=_section(ini, "Detectors").get("Name"),
        voltage_kv=scaled(beam.get("HV"), 1e-3),
        working_distance_mm=scaled(beam.get("WD"), 1e3),
        acquired_at=iso_time(str(created), ("%d.%m.%Y %H:%M:%S",)) or _dated(user.get("Date"), user.get("Time")),
        image_rows=_section(ini, "Image").get("ResolutionY"),
        height=height,
    )


def _dated(date: object, time: object) -> str | None:
    """``06/13/2016`` with ``05:06:40 PM``; None where day and month could stand either way round."""
    if not isinstance(date, str) or not isinstance(time, str):
        return None
    if "/" not in date:
        return iso_time(f"{date} {time}", ("%d.%m.%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S"))
    clocks = ("%I:%M:%S %p", "%H:%M:%S")
    readings = {
        iso_time(f"{date} {time}", [f"{order} {clock}" for clock in clocks]) for order in ("%m/%d/%Y", "%d/%m/%Y")
    } - {None}
    return readings.pop() if len(readings) == 1 else None


def _xml_scales(root: ElementTree.Element) -> tuple[StatedScale, ...]:
    edges = [root.find(f"BinaryResult/PixelSize/{axis}") for axis in "XY"]
    if any(edge is not None and edge.get("unit") != "m" for edge in edges):  # diffraction is in 1/m
        return ()
    x, y = (None if edge is None else number(edge.text) for edge in edges)
    return StatedScale.metres(x, "FEI XML BinaryResult.PixelSize", y)


def _xml_acquisition(root: ElementTree.Element, context: TiffContext) -> Acquisition:
    columns, rows = (number(root.findtext(f"BinaryResult/ImageSize/{axis}")) for axis in "XY")
    when = root.findtext("Acquisition/AcquisitionDatetime") or ""
    return stated(
        instrument=root.findtext("Instrument/InstrumentClass"),
        detector=root.findtext("Detectors/ScanningDetector/DetectorName"),
        voltage_kv=scaled(root.findtext("Optics/AccelerationVoltage"), 1e-3),
        working_distance_mm=scaled(root.findtext("Optics/WorkingDistance"), 1e3),
        acquired_at=iso_time(when[:19], ("%Y-%m-%dT%H:%M:%S",)),
        image_rows=rows if columns == context.width else None,
        height=context.height,
    )

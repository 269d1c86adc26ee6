"""JEOL: a text beside the image (SEM), or XML in the description of a TEM's TIFF."""

from collections.abc import Iterator, Mapping
from xml.etree import ElementTree

from matcurate.imaging.calibration import StatedScale, length_nm, number
from matcurate.imaging.formats.vendors.resolution import pixels_per_unit
from matcurate.imaging.formats.vendors.statement import PageContext, Statement, TiffContext, xml_root
from matcurate.imaging.metadata import Acquisition, iso_time, scaled, stated

_NM_PER_RESOLUTION_UNIT = {2: 2.54e7, 3: 1e7}


def read(context: PageContext) -> Statement:
    """Scale and recording, from the text beside the image or from the XML in it."""
    text = context.beside(".txt")
    if text is not None and "$CM_" in text:
        fields = _fields(text)
        return Statement(tuple(_bar(fields)), _text_acquisition(fields, context.height))
    if isinstance(context, TiffContext) and context.tag("Make") == "JEOL Ltd.":
        reporter = _reporter(context.description)
        if reporter is not None:
            return Statement(tuple(_tem_scale(context, reporter)), _xml_acquisition(reporter))
    return Statement()


def _reporter(text: str) -> ElementTree.Element | None:
    root = xml_root(text)
    return root if root is None or root.tag == "TemReporter" else root.find(".//TemReporter")


def _fields(text: str) -> Mapping[str, str]:
    """``$CM_MAG 1000`` and ``$$SM_MICRON_BAR 148`` as a table."""
    lines = (line.strip().lstrip("$") for line in text.splitlines() if line.lstrip().startswith("$"))
    return {key: value.strip() for key, _, value in (line.partition(" ") for line in lines)}


def _bar(fields: Mapping[str, str]) -> Iterator[StatedScale]:
    """Length of the printed bar over its pixels: the only scale in the text."""
    pixels, marker = number(fields.get("SM_MICRON_BAR")), fields.get("SM_MICRON_MARKER", "")
    digits = marker.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZµμÅ?\ufffd ")
    length = length_nm(digits, marker[len(digits) :])
    if pixels and length:
        yield StatedScale(length / pixels, "JEOL SM_MICRON_MARKER / SM_MICRON_BAR")


def _text_acquisition(fields: Mapping[str, str], height: int) -> Acquisition:
    when = f"{fields.get('CM_DATE', '')} {fields.get('CM_TIME', '')}"
    return stated(
        instrument=fields.get("CM_INSTRUMENT"),
        detector=fields.get("CM_SIGNAL") or fields.get("CM_SIGNAL_NAME"),
        voltage_kv=fields.get("CM_ACCEL_VOLT") or fields.get("CM_ACCEL_VOLTAGE"),
        magnification=fields.get("CM_MAG"),
        working_distance_mm=fields.get("SM_WD"),
        acquired_at=iso_time(when, ("%Y/%m/%d %H:%M:%S",)),
        image_rows=fields.get("CM_FULL_SIZE", "").partition(" ")[2],
        height=height,
    )


def _tem_scale(context: TiffContext, reporter: ElementTree.Element) -> Iterator[StatedScale]:
    """Camera pixel over magnification; a diffraction pattern has no length."""
    imaging = reporter.find("ImageFormingSystem")
    per_unit = pixels_per_unit(context.page)
    unit = _NM_PER_RESOLUTION_UNIT.get(int(context.tag("ResolutionUnit") or 0))
    if imaging is None or imaging.findtext("ModeString") != "MAG" or per_unit is None or unit is None:
        return
    magnification = number(imaging.findtext("SelectorValue"))
    if magnification and reporter.findtext("Eos/EosMode") == "eosTEM":
        x, y = (unit / pixels / magnification for pixels in per_unit)
        yield StatedScale(x, "JEOL SelectorValue and resolution tags", y)


def _xml_acquisition(reporter: ElementTree.Element) -> Acquisition:
    imaging = reporter.find("ImageFormingSystem")
    magnified = imaging is not None and imaging.findtext("ModeString") == "MAG"
    when = (reporter.findtext("DateTime") or "")[:19]
    return stated(
        instrument=reporter.findtext("Instruments"),
        voltage_kv=scaled(reporter.findtext("ElectronGun/AccelerationVoltage"), 1e-3),
        magnification=imaging.findtext("SelectorValue") if magnified and imaging is not None else None,
        acquired_at=iso_time(when, ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S")),
    )

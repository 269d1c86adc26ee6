"""Zeiss SmartSEM: the tag 34118, unnamed numbers followed by named fields."""

from collections.abc import Iterator, Mapping
from typing import Any

from matcurate.imaging.calibration import StatedScale, length_nm, number
from matcurate.imaging.formats.vendors.statement import Statement, TiffContext
from matcurate.imaging.metadata import Acquisition, iso_time, scaled, stated

_TAG = 34118
_SCREEN_WIDTH = 1024
"""Width in pixels of the screen that SmartSEM states its pixel size for, whatever the width of the stored image."""
_PIXEL_SIZE = 3
"""Place of the screen's pixel size in m among the unnamed numbers."""


def read(context: TiffContext) -> Statement:
    """Pixel size of the stored image, and the recording."""
    tag = context.tag(_TAG)
    if not isinstance(tag, dict):
        return Statement()
    return Statement(tuple(_scales(tag, context.width)), _acquisition(tag))


def _scales(tag: Mapping[str, Any], width: int) -> Iterator[StatedScale]:
    """The unnamed number has seven digits, the named fields have four."""
    zoom = _SCREEN_WIDTH / width
    header = tag.get("", ())
    size = number(header[_PIXEL_SIZE]) if len(header) > _PIXEL_SIZE else None
    if size:
        yield StatedScale(size * 1e9 * zoom, f"Zeiss CZ_SEM header x {_SCREEN_WIDTH} / width")
    image = _length(tag, "ap_image_pixel_size")
    if image:
        yield StatedScale(image, "Zeiss AP_IMAGE_PIXEL_SIZE")
    field = _length(tag, "ap_width")
    if field:
        yield StatedScale(field / width, "Zeiss AP_WIDTH / width")
    screen = _length(tag, "ap_pixel_size")
    if screen and not image:
        yield StatedScale(screen * zoom, f"Zeiss AP_PIXEL_SIZE x {_SCREEN_WIDTH} / width")


def _length(tag: Mapping[str, Any], key: str) -> float | None:
    match tag.get(key):
        case (_, value, str(unit)):
            return length_nm(value, unit)
        case (_, str(text)):
            return length_nm(text)
    return None


def _acquisition(tag: Mapping[str, Any]) -> Acquisition:
    distance = _length(tag, "ap_wd")
    return stated(
        instrument=_value(tag, "dp_sem") or _value(tag, "sv_serial_number"),
        detector=_value(tag, "dp_detector_type") or _value(tag, "dp_detector_channel"),
        voltage_kv=_kilovolts(tag.get("ap_actualkv") or tag.get("ap_manualkv")),
        magnification=_magnification(_value(tag, "ap_mag")),
        working_distance_mm=None if distance is None else distance * 1e-6,
        acquired_at=iso_time(f"{_value(tag, 'ap_date')} {_value(tag, 'ap_time')}", ("%d %b %Y %H:%M:%S",)),
    )


def _value(tag: Mapping[str, Any], key: str) -> object:
    field = tag.get(key)
    return field[1] if isinstance(field, tuple) and len(field) > 1 else None


def _kilovolts(field: object) -> float | None:
    match field:
        case (_, value, "kV"):
            return number(value)
        case (_, value, "V"):
            return scaled(value, 1e-3)
    return None


def _magnification(value: object) -> float | None:
    """``50.00 K X`` is 50,000; a bare number is itself."""
    if not isinstance(value, str):
        return number(value)
    digits, _, unit = value.partition(" ")
    return scaled(digits, {"K": 1e3, "M": 1e6}.get(unit[:1].upper(), 1.0))

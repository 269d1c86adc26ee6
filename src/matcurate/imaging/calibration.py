"""The physical pixel size a TIFF states, when it can be believed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree

from tifffile import TiffFile, TiffPage

from matcurate.types import Calibration

NM_PER_UNIT: Mapping[str, float] = {
    "pm": 1e-3,
    "a": 0.1,
    "å": 0.1,
    "angstrom": 0.1,
    "nm": 1.0,
    "nanometer": 1.0,
    "um": 1e3,
    "µm": 1e3,
    "micron": 1e3,
    "microns": 1e3,
    "micrometer": 1e3,
    "mm": 1e6,
    "cm": 1e7,
    "inch": 2.54e7,
    "m": 1e9,
}
FINEST_PRINT_NM = 10_000.0
"""Resolution tags in inch or cm are believed only below this pixel size (10 µm, 2540 dots per inch).

Every program writes a printing default there (72, 96, 150, 300, 600, 1200, 2400 dpi = 353 to 10.6 µm), which says
nothing about the specimen. A scanned or macroscopic image that is really coarser needs ``--nm-per-px``.
"""
SQUARE_WITHIN = 0.01
"""Largest relative difference of the two edges of a pixel that still counts as square."""
_RESOLUTION_UNITS = {2: "inch", 3: "cm"}
_PRINTING_UNITS = ("inch", "cm")


def tiff_calibration(file: TiffFile, page: TiffPage) -> Calibration | None:
    """Pixel size of a page; None when nothing believable is stated.

    The first of these that states a square pixel counts: FEI/Thermo metadata (``Scan.PixelWidth`` in m),
    Zeiss SEM metadata (``ap_image_pixel_size``, ``ap_pixel_size``), OME-XML (``PhysicalSizeX``), ImageJ's ``unit``
    with the resolution tags, and the resolution tags alone below :data:`FINEST_PRINT_NM`.
    """
    for edge_x, edge_y in _stated_edges(file, page):
        square = math.isfinite(edge_x) and abs(edge_x - edge_y) <= SQUARE_WITHIN * edge_x
        if square and 0 < edge_x:
            return Calibration(edge_x)
    return None


def nm_per_unit(unit: str) -> float | None:
    r"""Nanometres in a unit as microscopes and ImageJ spell it (``µm``, ``\u00B5m``, ``micron`` …); None if unknown."""
    text = unit.strip().lower().replace("\\u00b5", "µ").replace("μ", "µ").replace("ångström", "angstrom")
    return NM_PER_UNIT.get(text)


def _stated_edges(file: TiffFile, page: TiffPage) -> Iterator[tuple[float, float]]:
    """Yield (x, y) pixel edges in nm, most trusted first."""
    if file.fei_metadata:
        yield from _fei(file.fei_metadata)
    if file.sem_metadata:
        yield from _zeiss(file.sem_metadata)
    if file.ome_metadata:
        yield from _ome(file.ome_metadata)
    per_unit = _pixels_per_unit(page)
    if per_unit is not None:
        yield from _resolution(per_unit, _unit(file, page))


def _fei(metadata: Mapping[str, Any]) -> Iterator[tuple[float, float]]:
    for section in ("Scan", "EScan"):
        values = metadata.get(section) or {}
        width, height = values.get("PixelWidth"), values.get("PixelHeight")
        if isinstance(width, float):
            yield width * 1e9, (height if isinstance(height, float) else width) * 1e9


def _zeiss(metadata: Mapping[str, Any]) -> Iterator[tuple[float, float]]:
    for key in ("ap_image_pixel_size", "ap_pixel_size"):
        match metadata.get(key):
            case (_, float() | int() as size, str(unit)) if (scale := nm_per_unit(unit)) is not None:
                yield size * scale, size * scale


def _ome(xml: str) -> Iterator[tuple[float, float]]:
    """First ``Pixels`` element; its units default to µm (OME-XML schema 2016-06)."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return
    pixels = next((element for element in root.iter() if element.tag.rpartition("}")[2] == "Pixels"), None)
    attributes = {} if pixels is None else pixels.attrib
    edges = []
    for axis in "XY":
        scale = nm_per_unit(attributes.get(f"PhysicalSize{axis}Unit", "µm"))
        size = _number(attributes.get(f"PhysicalSize{axis}"))
        if scale is None or size is None:
            return
        edges.append(size * scale)
    yield edges[0], edges[1]


def _unit(file: TiffFile, page: TiffPage) -> str | None:
    """Unit of the resolution tags: ImageJ's when it knows one, else the tag's."""
    stated = (file.imagej_metadata or {}).get("unit")
    if isinstance(stated, str) and nm_per_unit(stated) is not None:
        return stated
    tag = page.tags.get("ResolutionUnit")
    return None if tag is None or file.is_imagej else _RESOLUTION_UNITS.get(int(tag.value))


def _resolution(per_unit: tuple[float, float], unit: str | None) -> Iterator[tuple[float, float]]:
    scale = None if unit is None else nm_per_unit(unit)
    if unit is None or scale is None:
        return
    edge_x, edge_y = scale / per_unit[0], scale / per_unit[1]
    if unit.strip().lower() not in _PRINTING_UNITS or edge_x < FINEST_PRINT_NM:
        yield edge_x, edge_y


def _pixels_per_unit(page: TiffPage) -> tuple[float, float] | None:
    tags = [page.tags.get("XResolution"), page.tags.get("YResolution")]
    values = [tag.value for tag in tags if tag is not None]
    if len(values) != 2 or not all(isinstance(v, tuple) and len(v) == 2 and all(v) for v in values):
        return None
    (x_top, x_bottom), (y_top, y_bottom) = values
    return x_top / x_bottom, y_top / y_bottom


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None

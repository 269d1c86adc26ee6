"""OME-TIFF: one ``Image`` element for each image of the file, with pixel size and channels."""

from collections.abc import Iterator
from math import prod
from xml.etree import ElementTree

from matcurate.imaging.calibration import StatedScale, length_nm
from matcurate.imaging.formats.vendors.statement import Statement, TiffContext, xml_root
from matcurate.imaging.metadata import Acquisition, iso_time, scaled, stated

_DEFAULT_UNIT = "µm"  # OME-XML schema 2016-06
_MOST_PLANES = 1_000_000


def read(context: TiffContext) -> Statement:
    """Scale, recording and name of the plane that this page is."""
    xml = context.file.ome_metadata
    root = xml_root(xml) if xml else None
    index = context.page.index
    if root is None or not isinstance(index, int):
        return Statement()
    images = [element for element in root.iter() if _name(element) == "Image"]
    following = 0
    for image in images:
        pixels = _child(image, "Pixels")
        if pixels is None:
            continue
        planes = _planes(pixels, following)
        if index in planes:
            shown = len(images) > 1 or _counts(pixels)[0] != (1, 1, 1)
            name = _plane_name(image, pixels, planes.index(index)) if shown else ""
            return Statement(tuple(_scale(pixels)), _acquisition(root, image), name)
        following = planes.stop
    return Statement()


def _planes(pixels: ElementTree.Element, following: int) -> range:
    """Directories of the file in which the planes of an image lie, in order."""
    data = [element for element in pixels if _name(element) == "TiffData"]
    starts = [_whole(element.get("IFD")) for element in data if element.get("IFD") is not None]
    count = min(prod(_counts(pixels)[0]), _MOST_PLANES)
    start = min(starts) if starts else following
    return range(start, start + max(count, 1))


def _counts(pixels: ElementTree.Element) -> tuple[tuple[int, int, int], str]:
    """Sizes along the three axes after X and Y, fastest first, and the letters of these axes.

    Channels that are the samples of one pixel (RGB) are one plane.
    """
    order = pixels.get("DimensionOrder", "XYCZT")[2:]
    sizes = {axis: max(_whole(pixels.get(f"Size{axis}", "1")), 1) for axis in "CZT"}
    channels = [element for element in pixels if _name(element) == "Channel"]
    if channels:
        sizes["C"] = len(channels)
    a, b, c = (sizes.get(axis, 1) for axis in (order if len(order) == 3 else "CZT"))
    return (a, b, c), order if len(order) == 3 else "CZT"


def _plane_name(image: ElementTree.Element, pixels: ElementTree.Element, plane: int) -> str:
    sizes, order = _counts(pixels)
    parts = [image.get("Name") or image.get("ID") or ""]
    for axis, size in zip(order, sizes, strict=True):
        plane, position = divmod(plane, size)
        if size > 1:
            parts.append(_channel(pixels, position) if axis == "C" else f"{axis.lower()} {position}")
    return ", ".join(part for part in parts if part)


def _channel(pixels: ElementTree.Element, position: int) -> str:
    channels = [element for element in pixels if _name(element) == "Channel"]
    name = channels[position].get("Name") if position < len(channels) else None
    return name or f"channel {position}"


def _scale(pixels: ElementTree.Element) -> Iterator[StatedScale]:
    x, y = (
        length_nm(pixels.get(f"PhysicalSize{axis}") or "", pixels.get(f"PhysicalSize{axis}Unit", _DEFAULT_UNIT))
        for axis in "XY"
    )
    if x is not None and y is not None:
        yield StatedScale(x, "OME PhysicalSizeX", y)


def _acquisition(root: ElementTree.Element, image: ElementTree.Element) -> Acquisition:
    elements = {_name(element): element for element in root.iter()}
    microscope, detector, objective = (elements.get(name) for name in ("Microscope", "Detector", "Objective"))
    when = _child(image, "AcquisitionDate")
    return stated(
        instrument=None if microscope is None else microscope.get("Model"),
        detector=None if detector is None else detector.get("Model"),
        magnification=None if objective is None else scaled(objective.get("NominalMagnification"), 1.0),
        acquired_at=iso_time((when.text or "")[:19], ("%Y-%m-%dT%H:%M:%S",)) if when is not None else None,
    )


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _child(element: ElementTree.Element, name: str) -> ElementTree.Element | None:
    return next((child for child in element if _name(child) == name), None)


def _whole(text: str | None) -> int:
    return int(text) if text is not None and text.strip().isdigit() else 0

"""ImageJ and Fiji: the unit in the description, pixels per unit in the resolution tags."""

from matcurate.imaging.calibration import StatedScale, nm_per_unit
from matcurate.imaging.formats.vendors.resolution import FINEST_PRINT_NM, pixels_per_unit
from matcurate.imaging.formats.vendors.statement import Statement, TiffContext


def read(context: TiffContext) -> Statement:
    """Pixel size in a unit of length; inches only below :data:`FINEST_PRINT_NM`.

    ImageJ gives an image without a scale the unit inch and the resolution for printers.
    """
    metadata = context.file.imagej_metadata
    if not metadata:
        return Statement()
    unit, per_unit = metadata.get("unit"), pixels_per_unit(context.page)
    scale = nm_per_unit(unit) if isinstance(unit, str) else None
    name = _label(metadata.get("Labels"), context)
    if scale is None or per_unit is None or (unit == "inch" and scale / per_unit[0] >= FINEST_PRINT_NM):
        return Statement(page_name=name)
    return Statement((StatedScale(scale / per_unit[0], "ImageJ unit", scale / per_unit[1]),), page_name=name)


def _label(labels: object, context: TiffContext) -> str:
    """First line of the slice's label."""
    index = context.page.index
    if not isinstance(labels, list) or not isinstance(index, int) or index >= len(labels):
        return ""
    return str(labels[index]).partition("\n")[0].strip()

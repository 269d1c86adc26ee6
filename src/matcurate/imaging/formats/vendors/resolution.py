"""The resolution tags of any TIFF, where they cannot be a setting for a printer."""

from tifffile import TiffPage

from matcurate.imaging.calibration import StatedScale
from matcurate.imaging.formats.vendors.statement import Statement, TiffContext

FINEST_PRINT_NM = 10_000.0
"""Resolution tags in inch or cm are believed only below this pixel size (10 µm, 2540 dots per inch).

Every program writes a printing default there (72, 96, 150, 300, 600, 1200, 2400 dpi = 353 to 10.6 µm), which says
nothing about the specimen. A scanned or macroscopic image that is really coarser needs ``--nm-per-px``.
"""
_NM_PER_UNIT = {2: 2.54e7, 3: 1e7}


def read(context: TiffContext) -> Statement:
    """Pixel size; none for files of ImageJ and OME, which state their unit elsewhere or have none."""
    unit, per_unit = context.page.tags.get("ResolutionUnit"), pixels_per_unit(context.page)
    if unit is None or per_unit is None or context.file.is_imagej or context.file.is_ome:
        return Statement()
    scale = _NM_PER_UNIT.get(int(unit.value))
    if scale is None or scale / per_unit[0] >= FINEST_PRINT_NM:
        return Statement()
    return Statement((StatedScale(scale / per_unit[0], "resolution tags", scale / per_unit[1]),))


def pixels_per_unit(page: TiffPage) -> tuple[float, float] | None:
    """Pixels per resolution unit, (x, y); None where they are not both stated."""
    tags = [page.tags.get("XResolution"), page.tags.get("YResolution")]
    values = [tag.value for tag in tags if tag is not None]
    if len(values) != 2 or not all(isinstance(v, tuple) and len(v) == 2 and all(v) for v in values):
        return None
    (x_top, x_bottom), (y_top, y_bottom) = values
    return x_top / x_bottom, y_top / y_bottom

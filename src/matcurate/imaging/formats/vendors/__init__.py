"""What the vendors of microscopes write into TIFF tags and beside the image: one file a vendor.

A new one is a module with ``read(context) -> Statement`` and a place in :data:`READERS`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from matcurate.imaging.calibration import StatedScale
from matcurate.imaging.files import DECODER_ERRORS
from matcurate.imaging.formats.vendors import (
    gatan,
    hitachi,
    imagej,
    jeol,
    olympus_sis,
    ome,
    resolution,
    tescan,
    thermo,
    tvips,
    zeiss,
)
from matcurate.imaging.formats.vendors.statement import PageContext, Statement, TiffContext
from matcurate.imaging.metadata import UNKNOWN

__all__ = ["BESIDE", "READERS", "PageContext", "Statement", "TiffContext", "read_vendors"]

BESIDE: Mapping[str, Callable[[PageContext], Statement]] = {
    "Tescan": tescan.read,
    "JEOL": jeol.read,
    "Hitachi": hitachi.read,
}
"""Vendors that write a text beside an image of any format."""
READERS: Mapping[str, Callable[[Any], Statement]] = {
    "FEI/Thermo": thermo.read,
    "Zeiss": zeiss.read,
    "TVIPS": tvips.read,
    "Olympus SIS": olympus_sis.read,
    **BESIDE,
    "Gatan": gatan.read,
    "OME": ome.read,
    "ImageJ": imagej.read,
    "resolution": resolution.read,
}
"""Most trusted first: an instrument's own tags, then what other programs write, last the resolution tags."""


def read_vendors(context: PageContext) -> tuple[Statement, tuple[str, ...]]:
    """Join what all vendors state about a page; damaged metadata of one give a warning and hide nothing else."""
    scales: list[StatedScale] = []
    recording, name, warnings = UNKNOWN, "", []
    for vendor, read in (READERS if isinstance(context, TiffContext) else BESIDE).items():
        try:
            statement = read(context)
        except DECODER_ERRORS as error:
            warnings.append(f"its {vendor} metadata are damaged and not used ({type(error).__name__})")
            continue
        scales.extend(statement.scales)
        recording = recording.completed(statement.acquisition)
        name = name or statement.page_name
    return Statement(tuple(scales), recording, name), tuple(warnings)

"""MRC and its tilt series and reconstructions."""

from functools import partial

from matcurate.imaging.formats.rosetta import RosettaSource
from matcurate.imaging.formats.source import Format

# The map text is missing in files of older programs, which still write the stamp of the byte order.
FORMATS = (
    Format(
        "MRC",
        (".mrc", ".mrcs", ".rec", ".st", ".ali"),
        ((208, b"MAP "), (212, b"DA\0\0"), (212, b"DD\0\0"), (212, b"\x11\x11\0\0")),
        partial(RosettaSource, plugin="mrc", suffix=".mrc", metadata_file=None),
    ),
)

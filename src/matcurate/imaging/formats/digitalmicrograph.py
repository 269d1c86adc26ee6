"""Gatan DigitalMicrograph: DM3 and DM4."""

from functools import partial

from matcurate.imaging.formats.rosetta import RosettaSource
from matcurate.imaging.formats.source import Format

FORMATS = (
    Format("DM3", (".dm3",), ((0, b"\0\0\0\3"),), partial(RosettaSource, plugin="digitalmicrograph", suffix=".dm3")),
    Format(
        "DM4", (".dm4",), ((0, b"\0\0\0\4\0\0\0\0"),), partial(RosettaSource, plugin="digitalmicrograph", suffix=".dm4")
    ),
)

"""Gatan DigitalMicrograph: DM3 and DM4."""

from __future__ import annotations

from matcurate.imaging.formats.rosetta import RosettaSource
from matcurate.imaging.formats.source import Format, ImageFile


def _open_dm3(file: ImageFile) -> RosettaSource:
    return RosettaSource(file, "digitalmicrograph", ".dm3", "DM3")


def _open_dm4(file: ImageFile) -> RosettaSource:
    return RosettaSource(file, "digitalmicrograph", ".dm4", "DM4")


FORMATS = (
    Format("DM3", (".dm3",), ((0, b"\0\0\0\3"),), _open_dm3),
    Format("DM4", (".dm4",), ((0, b"\0\0\0\4\0\0\0\0"),), _open_dm4),
)

"""HyperSpy's own HDF5."""

from __future__ import annotations

from typing import Any

from matcurate.imaging.formats.hdf5 import MAGIC, holding
from matcurate.imaging.formats.rosetta import RosettaSource
from matcurate.imaging.formats.source import Format, ImageFile


def _is_hspy(content: Any) -> bool:  # noqa: ANN401 - h5py.File
    return "Experiments" in content or "file_format" in content.attrs


def _open(file: ImageFile) -> RosettaSource:
    return RosettaSource(file, "hspy", ".hspy", "HSPY")


FORMATS = (Format("HSPY", (".hspy",), MAGIC, _open, holds=holding(_is_hspy)),)

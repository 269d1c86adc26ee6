"""HyperSpy's own HDF5."""

from __future__ import annotations

from functools import partial
from typing import Any

from matcurate.imaging.formats.hdf5 import MAGIC, holding
from matcurate.imaging.formats.rosetta import RosettaSource
from matcurate.imaging.formats.source import Format


def _is_hspy(content: Any) -> bool:  # noqa: ANN401 - h5py.File
    return "Experiments" in content or "file_format" in content.attrs


FORMATS = (
    Format("HSPY", (".hspy",), MAGIC, partial(RosettaSource, plugin="hspy", suffix=".hspy"), holds=holding(_is_hspy)),
)

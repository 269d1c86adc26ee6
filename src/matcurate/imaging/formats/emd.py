"""EMD of Velox (Thermo Fisher) and of Berkeley Lab's NCEM."""

from __future__ import annotations

from typing import Any

from matcurate.imaging.formats.hdf5 import MAGIC, holding
from matcurate.imaging.formats.rosetta import RosettaSource
from matcurate.imaging.formats.source import Format, ImageFile


def _is_emd(content: Any) -> bool:  # noqa: ANN401 - h5py.File
    velox = "Data" in content and "Operations" in content
    return velox or "version_major" in content.attrs or "emd_group_type" in content.attrs or _has_emd_group(content)


def _has_emd_group(content: Any) -> bool:  # noqa: ANN401 - h5py.File
    return any(
        "emd_group_type" in group.attrs
        for name in ("data", "experimental", "4DSTEM_simulation")
        if name in content
        for group in (content[name], *content[name].values())
    )


def _open(file: ImageFile) -> RosettaSource:
    return RosettaSource(file, "emd", ".emd", "EMD")


FORMATS = (Format("EMD", (".emd",), MAGIC, _open, holds=holding(_is_emd)),)

"""Imaris (IMS): an HDF5 with one dataset for each time point and channel, at full resolution in the first level."""

from typing import Any

import numpy as np

from matcurate.imaging.calibration import StatedScale, nm_per_unit, number
from matcurate.imaging.formats.hdf5 import MAGIC, holding, opened_hdf5
from matcurate.imaging.formats.source import Format, ImageFile, PageHeader, require_plausible
from matcurate.imaging.grey import to_grey
from matcurate.imaging.metadata import Acquisition, iso_time, stated
from matcurate.types import Pixels

_LEVEL = "DataSet/ResolutionLevel 0"


class ImarisSource:
    """Pages in the order time point, channel, slice. The datasets are padded; the true size is in ``DataSetInfo``."""

    def __init__(self, file: ImageFile) -> None:
        self._content = opened_hdf5(file)
        self._stored = file.handle.seek(0, 2)
        self._info = self._content["DataSetInfo/Image"].attrs
        sizes = [number(_text(self._info, axis)) for axis in "ZYX"]
        times = _numbered(self._content[_LEVEL], "TimePoint")
        self._planes = [
            (f"{_LEVEL}/{time}/{channel}", depth)
            for time in times
            for channel in _numbered(self._content[f"{_LEVEL}/{time}"], "Channel")
            for depth in range(self._depth(f"{_LEVEL}/{time}/{channel}", sizes[0]))
        ]
        self._height, self._width = (int(size) if size else None for size in sizes[1:])
        self.pages = len(self._planes)
        if not self.pages:
            raise ValueError("it holds no image")

    def header(self, page: int) -> PageHeader:
        """Size, channel and slice, and scale from the extent of the image."""
        group, depth = self._planes[page]
        rows, columns = self._content[f"{group}/Data"].shape[1:]
        height, width = min(self._height or rows, rows), min(self._width or columns, columns)
        names = self._names(group, depth)
        return PageHeader.stating((height, width), self._scale(height, width), names, self._acquisition())

    def read(self, page: int) -> Pixels:
        """Decode one slice to grey (H, W)."""
        group, depth = self._planes[page]
        header, data = self.header(page), self._content[f"{group}/Data"]
        require_plausible(header.height * header.width * data.dtype.itemsize, self._stored)
        return to_grey(np.asarray(data[depth, : header.height, : header.width]))

    def _depth(self, group: str, stated_depth: float | None) -> int:
        shape = self._content[f"{group}/Data"].shape
        if len(shape) != 3:
            raise ValueError(f"{group} has {len(shape)} axes, not slice, row and column")
        return min(int(stated_depth or shape[0]), int(shape[0]))

    def _scale(self, height: int, width: int) -> list[StatedScale]:
        unit = nm_per_unit(_text(self._info, "Unit") or "um")
        edges = [number(_text(self._info, name)) for name in ("ExtMin0", "ExtMax0", "ExtMin1", "ExtMax1")]
        if unit is None or any(edge is None for edge in edges):
            return []
        left, right, top, bottom = (edge or 0.0 for edge in edges)
        return [StatedScale((right - left) * unit / width, "IMS ExtMax0 - ExtMin0", (bottom - top) * unit / height)]

    def _names(self, group: str, depth: int) -> list[str]:
        *_, time, channel = group.split("/")
        info = self._content.get(f"DataSetInfo/{channel}")
        name = (_text(info.attrs, "Name") if info is not None else "") or channel.lower()
        several = len({path.split("/")[-2] for path, _ in self._planes}) > 1
        return [time.lower() if several else "", name, f"z {depth}" if (group, 1) in self._planes else ""]

    def _acquisition(self) -> Acquisition:
        when = _text(self._info, "RecordingDate")[:19]
        return stated(
            instrument=_text(self._info, "MicroscopeModel"),
            acquired_at=iso_time(when, ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")),
        )


def _numbered(group: Any, prefix: str) -> list[str]:  # noqa: ANN401 - h5py.Group
    """Names ``PREFIX 0``, ``PREFIX 1`` … in the order of their numbers."""
    names = [name for name in group if name.startswith(f"{prefix} ") and name.split(" ")[1].isdigit()]
    return sorted(names, key=lambda name: int(name.split(" ")[1]))


def _text(attributes: Any, name: str) -> str:  # noqa: ANN401 - h5py.AttributeManager
    """An attribute as text: Imaris writes arrays of single characters."""
    value = attributes.get(name)
    if value is None:
        return ""
    if isinstance(value, (str, bytes)):
        return value if isinstance(value, str) else value.decode("latin-1")
    return b"".join(np.asarray(value).astype("S1").ravel().tolist()).decode("latin-1")


HOLDS = holding(lambda content: "DataSet" in content and "DataSetInfo" in content)
FORMATS = (Format("IMS", (".ims",), MAGIC, ImarisSource, HOLDS),)

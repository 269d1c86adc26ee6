"""NRRD with the pixels in the file itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import hypot, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcurate.imaging.calibration import StatedScale, nm_per_unit
from matcurate.imaging.formats.source import Format, ImageFile, PageHeader, library, require_plausible
from matcurate.imaging.grey import to_grey
from matcurate.types import Pixels

_COLOUR_KINDS = ("rgb-color", "rgba-color", "3-color", "4-color", "hsv-color")


class NrrdSource:
    """Pages along every axis after the first two that are no colours; the header's axes run from fast to slow."""

    def __init__(self, file: ImageFile) -> None:
        self._nrrd = library("nrrd", file)
        self._errors = library("nrrd.errors", file).NRRDError
        self._handle = file.handle
        self._stored = file.handle.seek(0, 2)
        file.handle.seek(0)
        with self._plain_errors():
            self._header: dict[str, Any] = dict(self._nrrd.read_header(file.handle))
        if "data file" in self._header or "datafile" in self._header:
            raise ValueError("its pixels lie in another file; save it as .nrrd with the data attached")
        self._data = file.handle.tell()
        self._sizes = tuple(int(size) for size in self._header["sizes"])
        kinds = [str(kind).lower() for kind in self._header.get("kinds", [])]
        self._colour = len(kinds) == len(self._sizes) and kinds[0] in _COLOUR_KINDS
        self._axes = range(1, len(self._sizes)) if self._colour else range(len(self._sizes))
        if len(self._axes) < 2 or min(self._sizes) < 1:
            raise ValueError(f"its sizes {self._sizes} are those of no image")
        self._values: NDArray[Any] | None = None
        self.pages = prod(self._sizes[axis] for axis in self._axes[2:])

    def header(self, page: int) -> PageHeader:
        """Size, slice and scale of a page."""
        x, y, *others = self._axes
        sizes = tuple(self._sizes[axis] for axis in reversed(others))
        index = np.unravel_index(page, sizes) if sizes else ()
        names = (f"axis {axis} {at}" for axis, at in zip(reversed(others), index, strict=True))
        return PageHeader.stating((self._sizes[y], self._sizes[x]), self._scale(x, y), names)

    def read(self, page: int) -> Pixels:
        """Decode to grey (H, W)."""
        if self._values is None:
            require_plausible(prod(self._sizes), self._stored)
            self._values = self._read_data()
        x, y = self._axes[:2]
        height, width = self._sizes[y], self._sizes[x]
        colours = (self._sizes[0],) if self._colour else ()
        return to_grey(np.asarray(self._values).reshape(-1, height, width, *colours)[page])

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            raise ValueError(str(error)) from error

    def _read_data(self) -> NDArray[Any]:
        skipped = [int(self._header.get(name, 0)) for name in ("lineskip", "line skip", "byteskip", "byte skip")]
        if max(skipped) > self._stored:
            raise ValueError(f"it states {max(skipped)} lines or bytes to skip, more than it has")
        self._handle.seek(self._data)
        with self._plain_errors():
            return np.asarray(self._nrrd.read_data(self._header, self._handle, index_order="C"))

    def _scale(self, x: int, y: int) -> list[StatedScale]:
        """Spacings, or lengths of the direction vectors of space, in the units that the header names."""
        header = self._header
        directions = header.get("space directions")
        if directions is not None:
            edges = [hypot(*(float(part) for part in directions[axis])) for axis in (x, y)]
            units = header.get("space units") or []
            unit = nm_per_unit(str(units[0])) if len(set(map(str, units))) == 1 else None
            source = "NRRD space directions"
        else:
            spacings, units = header.get("spacings"), header.get("units") or []
            if spacings is None or len(units) != len(self._sizes) or str(units[x]) != str(units[y]):
                return []
            edges, unit, source = [float(spacings[x]), float(spacings[y])], nm_per_unit(str(units[x])), "NRRD spacings"
        return [] if unit is None else [StatedScale(edges[0] * unit, source, edges[1] * unit)]


FORMATS = (Format("NRRD", (".nrrd",), ((0, b"NRRD000"),), NrrdSource),)

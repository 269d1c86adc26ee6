"""Olympus FluoView: OIB, and OIF with its folder of TIFFs beside it."""

import re
import struct
from collections.abc import Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import PureWindowsPath
from typing import Any

from matcurate.imaging.calibration import StatedScale, length_nm, number
from matcurate.imaging.formats.source import Format, ImageFile, PageHeader, library
from matcurate.imaging.formats.tiff import TiffSource
from matcurate.imaging.metadata import stated
from matcurate.types import Pixels

_AXIS_NUMBER = re.compile(r"([A-Z])(\d+)")
_PREVIEW = "thumb"


class OlympusSource:
    """One page for each TIFF of the file, in the order of its name's numbers (channel, slice, time)."""

    def __init__(self, file: ImageFile, suffix: str) -> None:
        if suffix == ".oif" and file.path is None:
            raise ValueError("its pixels lie in a folder beside it; save it as .oib")
        if suffix == ".oib":
            _require_ends(file)
        path = file.on_disk(suffix)
        self._file: Any = file.cleanup.enter_context(library("oiffile", file).OifFile(path))
        names = [name for name in self._file.glob("*.tif") if _PREVIEW not in name.lower()]
        self._names = sorted(names, key=lambda name: [int(at) for _, at in _axes(name)])
        self._settings: Mapping[str, Mapping[str, Any]] = self._file.mainfile
        self.pages = len(self._names)
        if not self.pages:
            raise ValueError("it holds no image")

    def header(self, page: int) -> PageHeader:
        """Size of the TIFF, channel and slice from its name, scale and recording from the main file."""
        inner = self._tiff(page).header(0)
        acquisition = stated(
            instrument=self._settings.get("Acquisition Parameters Common", {}).get("Acquisition Device"),
            magnification=self._settings.get("Reference Image Parameter", {}).get("Magnification"),
        )
        return PageHeader.stating((inner.height, inner.width), self._scale(), self._axis_names(page), acquisition)

    def read(self, page: int) -> Pixels:
        """Decode to grey (H, W)."""
        return self._tiff(page).read(0)

    def _tiff(self, page: int) -> TiffSource:
        name = self._names[page]
        with self._file.open_file(name) as handle:
            return TiffSource(ImageFile(BytesIO(handle.read()), name, None))

    def _axis_names(self, page: int) -> list[str]:
        words = {"C": "channel", "Z": "z", "T": "t"}
        return [f"{words.get(axis, axis.lower())} {int(at)}" for axis, at in _axes(self._names[page])]

    def _scale(self) -> list[StatedScale]:
        """Extent of the axes over their pixels, else the size that the reference image states."""
        edges = [self._edge(axis) for axis in "XY"]
        scales = [StatedScale(edges[0], "Olympus axis extent", edges[1])] if edges[0] else []
        reference = self._settings.get("Reference Image Parameter", {})
        x, y = (
            length_nm(reference.get(f"{name}ConvertValue"), str(reference.get(f"{name}ConvertUnit", "")))
            for name in ("Width", "Height")
        )
        return [*scales, StatedScale(x, "Olympus WidthConvertValue", y)] if x else scales

    def _edge(self, axis: str) -> float | None:
        axes = (section for name, section in self._settings.items() if name.startswith("Axis "))
        fields = next((of for of in axes if isinstance(of, Mapping) and of.get("AxisCode") == axis), {})
        start, end, count = (number(fields.get(key)) for key in ("StartPosition", "EndPosition", "MaxSize"))
        if start is None or end is None or not count:
            return None
        return length_nm(abs(end - start) / count, str(fields.get("UnitName", "")))


def _require_ends(file: ImageFile) -> None:
    """Refuse a compound document with a chain of sectors that comes back to itself: it would be read for ever."""
    file.handle.seek(0)
    head = file.handle.read(512)
    size = 1 << min(struct.unpack_from("<H", head, 30)[0], 16)
    count = min(struct.unpack_from("<I", head, 44)[0], 109)
    chain: list[int] = []
    for sector in (*struct.unpack_from("<109I", head, 76)[:count], *struct.unpack_from("<I", head, 60)):
        file.handle.seek((sector + 1) * size)
        data = file.handle.read(size)
        table = struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4])
        if sector == struct.unpack_from("<I", head, 60)[0]:
            _require_no_cycle(table)
        else:
            chain.extend(table)
    _require_no_cycle(chain)


def _require_no_cycle(following: Sequence[int]) -> None:
    """following[i] is the sector after i; numbers beyond the table end a chain."""
    ended = [False] * len(following)
    for start in range(len(following)):
        path, at = set(), start
        while at < len(following) and not ended[at]:
            if at in path:
                raise ValueError("a chain of its sectors comes back to itself")
            path.add(at)
            at = following[at]
        for sector in path:
            ended[sector] = True


def _axes(name: str) -> list[tuple[str, str]]:
    """``s_C001Z002.tif`` → C 1, Z 2."""
    return _AXIS_NUMBER.findall(PureWindowsPath(name).stem.rpartition("_")[2])


_OIF_HEAD = "[ProfileSaveInfo]"
FORMATS = (
    Format("OIB", (".oib",), ((0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),), partial(OlympusSource, suffix=".oib")),
    Format(
        "OIF",
        (".oif",),
        ((0, b"\xff\xfe" + _OIF_HEAD.encode("utf-16-le")), (0, _OIF_HEAD.encode())),
        partial(OlympusSource, suffix=".oif"),
        in_one_file=False,
    ),
)

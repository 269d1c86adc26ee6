"""PNG, JPEG and BMP: the header first, the pixels when asked for."""

import struct
import zlib
from functools import partial
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile as PillowFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from matcurate.imaging.formats.source import Format, ImageFile, PageHeader, require_plausible
from matcurate.imaging.formats.vendors import PageContext, read_vendors
from matcurate.imaging.grey import to_depth, without_colour
from matcurate.types import Pixels

# The classes are opened directly, not through PIL.Image.open: its own size guard is a process-wide
# setting that warns or fails at another limit than ours.
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB`\x82"
_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_ORIENTATION_TAG = 274


class RasterSource:
    """An opened PNG, JPEG or BMP. One page; a scale only from a text beside it: its resolution tags are for printers.

    The EXIF orientation is applied: browsers and image viewers turn the picture, so what the expert
    draws on is the turned one, and a mask for the unturned pixels would lie across it.
    """

    pages = 1

    def __init__(self, file: ImageFile, reader: type[PillowFile]) -> None:
        source = file.handle
        self._source, self._path = source, file.path
        self._stored = source.seek(0, 2)
        source.seek(0)
        self._image = reader(source)
        # A PNG without EXIF before its pixels has none for us: Pillow would decode it to look behind them.
        has_exif = reader is not PngImageFile or "exif" in self._image.info
        self._turn = int(self._image.getexif().get(_ORIENTATION_TAG, 1)) if has_exif else 1

    def header(self, page: int) -> PageHeader:
        """Size from the header, as shown; scale and recording from a text that the microscope wrote beside it."""
        width, height = self._image.size
        if self._turn in (5, 6, 7, 8):
            width, height = height, width
        statement, warnings = read_vendors(PageContext(height, width, self._path))
        return PageHeader.stating((height, width), statement.scales, (), statement.acquisition, warnings)

    def read(self, page: int) -> Pixels:
        """Decode to grey (H, W) in the file's depth; a truncated file raises what its decoder raises."""
        if self._image.mode == "CMYK":
            raise ValueError("CMYK: colours of a print; convert it to grey or RGB")
        width, height = self._image.size
        require_plausible(width * height, self._stored)
        if isinstance(self._image, PngImageFile):
            channels = self._png()
        else:
            channels = np.asarray(self._image.convert("L" if self._image.mode in ("1", "L") else "RGB"))
        return to_depth(_oriented(without_colour(channels), self._turn))

    def _png(self) -> NDArray[Any]:
        """Decode with libpng, since Pillow cuts 16-bit colour down to 8 bits."""
        self._source.seek(0)
        data = self._source.read()
        require_png_end(data)
        return np.asarray(imagecodecs.png_decode(png_of_pixels(data)))


FORMATS = (
    Format("PNG", (".png",), ((0, PNG_MAGIC),), partial(RasterSource, reader=PngImageFile)),
    Format("JPEG", (".jpg", ".jpeg"), ((0, b"\xff\xd8\xff"),), partial(RasterSource, reader=JpegImageFile)),
    Format("BMP", (".bmp",), ((0, b"BM"),), partial(RasterSource, reader=BmpImageFile)),
)


def require_png_end(data: bytes) -> None:
    """Refuse a PNG without its end chunk (libpng reads on without) by a ValueError."""
    if _PNG_END not in data[-4096:] and _PNG_END not in data:
        raise ValueError("its end is missing")


def png_of_pixels(data: bytes) -> bytes:
    """Return a PNG without the chunks that hold no pixels, in which libpng finds faults that it prints on stderr.

    Raises ValueError when a chunk that is needed has a wrong checksum, or the last one is missing.
    """
    parts, at = [data[: len(PNG_MAGIC)]], len(PNG_MAGIC)
    while True:
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise ValueError("its end is missing")
        if kind in _PIXEL_CHUNKS:
            if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
                raise ValueError(f"the checksum of its chunk {kind.decode()} is wrong")
            parts.append(data[at:end])
        if kind == b"IEND":
            return b"".join(parts)
        at = end


def _oriented(grey: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Undo the rotation and mirroring that EXIF orientation 1 to 8 states (EXIF 2.32, tag 0x0112)."""
    if orientation in (5, 6, 7, 8):
        grey = grey.T
    if orientation in (2, 3, 6, 7):
        grey = grey[:, ::-1]
    if orientation in (3, 4, 7, 8):
        grey = grey[::-1]
    return np.ascontiguousarray(grey)

"""PNG, JPEG and BMP: the header first, the pixels when asked for."""

from __future__ import annotations

from typing import Any, BinaryIO

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from matcurate.imaging.grey import luma, to_depth
from matcurate.types import Calibration, Pixels

# The classes are opened directly, not through PIL.Image.open: its own size guard is a process-wide
# setting that warns or fails at another limit than ours.
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
READERS: dict[bytes, type[ImageFile]] = {
    PNG_MAGIC: PngImageFile,
    b"\xff\xd8\xff": JpegImageFile,
    b"BM": BmpImageFile,
}
_PNG_END = b"IEND\xaeB`\x82"
_ORIENTATION_TAG = 274


class RasterSource:
    """An opened PNG, JPEG or BMP. One page, no calibration: its resolution tags are for printers.

    The EXIF orientation is applied: browsers and image viewers turn the picture, so what the expert
    draws on is the turned one, and a mask for the unturned pixels would lie across it.
    """

    pages = 1

    def __init__(self, source: BinaryIO, reader: type[ImageFile]) -> None:
        self._source = source
        self._image = reader(source)
        # A PNG without EXIF before its pixels has none for us: Pillow would decode it to look behind them.
        has_exif = reader is not PngImageFile or "exif" in self._image.info
        self._turn = int(self._image.getexif().get(_ORIENTATION_TAG, 1)) if has_exif else 1

    def shape(self, page: int) -> tuple[int, int]:
        """(H, W) from the header, as shown."""
        width, height = self._image.size
        return (width, height) if self._turn in (5, 6, 7, 8) else (height, width)

    def read(self, page: int) -> Pixels:
        """Decode to grey (H, W) in the file's depth; a truncated file raises what its decoder raises."""
        channels = self._png() if isinstance(self._image, PngImageFile) else self._other()
        grey = luma(channels) if channels.ndim == 3 and channels.shape[2] >= 3 else channels
        grey = grey[..., 0] if grey.ndim == 3 else grey
        return to_depth(_oriented(grey, self._turn))

    def calibration(self, page: int) -> Calibration | None:
        """None: these formats have no tag that states a pixel size on the specimen."""
        return None

    def _png(self) -> NDArray[Any]:
        """Decode with libpng, since Pillow cuts 16-bit colour down to 8 bits."""
        self._source.seek(0)
        data = self._source.read()
        require_png_end(data)
        return np.asarray(imagecodecs.png_decode(data))

    def _other(self) -> NDArray[Any]:
        bilevel_or_grey = self._image.mode in ("1", "L")
        return np.asarray(self._image.convert("L" if bilevel_or_grey else "RGB"))


def require_png_end(data: bytes) -> None:
    """Refuse a PNG without its end chunk (libpng reads on without) by a ValueError."""
    if _PNG_END not in data[-4096:] and _PNG_END not in data:
        raise ValueError("its end is missing")


def _oriented(grey: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Undo the rotation and mirroring that EXIF orientation 1 to 8 states (EXIF 2.32, tag 0x0112)."""
    if orientation in (5, 6, 7, 8):
        grey = grey.T
    if orientation in (2, 3, 6, 7):
        grey = grey[:, ::-1]
    if orientation in (3, 4, 7, 8):
        grey = grey[::-1]
    return np.ascontiguousarray(grey)

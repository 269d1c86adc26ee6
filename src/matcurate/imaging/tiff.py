"""TIFF in the dialects of microscopes, ImageJ and scientific Python: the header first, then the pixels."""

from __future__ import annotations

import logging
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from tifffile import PHOTOMETRIC, TiffFile, TiffPage

from matcurate.imaging.calibration import tiff_calibration
from matcurate.imaging.grey import luma, to_depth
from matcurate.types import Calibration, Pixels

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

# tifffile logs a line for each damaged tag; the reader reports damage itself, in one line.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)


class TiffSource:
    """An opened TIFF: its pages are the full-resolution images, without thumbnails and masks.

    The orientation tag is ignored, as by ImageJ and scikit-image, in which masks for TIFF are drawn.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._file = TiffFile(source)
        whole = [page for page in self._file.pages if isinstance(page, TiffPage)]
        self._pages = [page for page in whole if not (page.is_reduced or page.is_mask)] or whole
        stated = int((self._file.imagej_metadata or {}).get("images", 1))
        # ImageJ writes stacks over 4 GiB as one page followed by the bare pixels of the others.
        self._bare_stack = len(whole) == 1 and stated > 1
        self.pages = stated if self._bare_stack else len(self._pages)

    def shape(self, page: int) -> tuple[int, int]:
        """(H, W) from the header."""
        header = self._header(page)
        return int(header.imagelength), int(header.imagewidth)

    def calibration(self, page: int) -> Calibration | None:
        """Pixel size from vendor tags, OME-XML, ImageJ or resolution tags, in this order of trust."""
        return tiff_calibration(self._file, self._header(page))

    def read(self, page: int) -> Pixels:
        """Decode to grey (H, W).

        Raises
        ------
        ValueError
            When the pixels are not all in the file, or are no grey or colour image.
        """
        header = self._header(page)
        _check_colours(header)
        values = self._bare_page(header, page) if self._bare_stack else self._stored_page(header)
        if header.axes.startswith("S"):
            values = np.moveaxis(values, 0, -1)
        return to_depth(self._grey(header, values))

    def _header(self, page: int) -> TiffPage:
        return self._pages[0 if self._bare_stack else page]

    def _stored_page(self, header: TiffPage) -> NDArray[Any]:
        require_all_segments(header, self._file.filehandle.size)
        values = header.asarray()
        if values.size == 0:
            raise ValueError("it has no pixels")
        return values

    def _bare_page(self, header: TiffPage, page: int) -> NDArray[Any]:
        dtype = np.dtype(header.dtype).newbyteorder(self._file.byteorder)
        count = int(header.imagelength) * int(header.imagewidth) * int(header.samplesperpixel)
        self._source.seek(header.dataoffsets[0] + page * count * dtype.itemsize)
        data = self._source.read(count * dtype.itemsize)
        return np.frombuffer(data, dtype=dtype, count=count).reshape(header.shape)

    def _grey(self, header: TiffPage, values: NDArray[Any]) -> NDArray[Any]:
        if header.photometric == PHOTOMETRIC.PALETTE and not self._file.is_imagej:
            # ImageJ's palette is a look-up table over measured values; any other palette is the picture.
            palette = np.asarray(header.colormap).T
            return (luma(palette[values]) >> 8).astype(np.uint8)
        if values.ndim == 3:
            values = luma(values) if values.shape[-1] >= 3 else values[..., 0]
        if header.photometric == PHOTOMETRIC.MINISWHITE:
            return _inverted(values, int(header.bitspersample))
        return values


def require_all_segments(page: TiffPage, size: int) -> None:
    """Refuse a page whose strips or tiles are not all within the file's ``size`` bytes by a ValueError.

    tifffile fills what is missing with zeros.
    """
    segments = zip(page.dataoffsets, page.databytecounts, strict=True)
    if not page.dataoffsets or any(at == 0 or count == 0 or at + count > size for at, count in segments):
        raise ValueError("part of its pixels is missing")


def _check_colours(header: TiffPage) -> None:
    samples, colour = int(header.samplesperpixel), header.photometric
    grey = (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.PALETTE)
    known = samples <= 2 if colour in grey else colour in (PHOTOMETRIC.RGB, PHOTOMETRIC.YCBCR)
    if not known or header.axes not in ("YX", "YXS", "SYX"):
        raise ValueError(f"{samples} channels of kind {PHOTOMETRIC(colour).name}, axes {header.axes}, not grey or RGB")
    if header.dtype is None or np.dtype(header.dtype).kind not in "buif":
        raise ValueError(f"samples of {header.bitspersample} bits in a type that is not a real number")


def _inverted(values: NDArray[Any], bits: int) -> NDArray[Any]:
    """Turn "0 is white" into "0 is black"; signed and float values change their sign."""
    if values.dtype == np.bool_:
        return np.asarray(~values)
    if values.dtype.kind == "u":
        return np.asarray(values.dtype.type((1 << bits) - 1) - values)
    return np.asarray(-values)

"""TIFF in the dialects of microscopes, ImageJ and scientific Python: the header first, then the pixels."""

import logging
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import COMPRESSION, PHOTOMETRIC, TiffFile, TiffPage

from matcurate.imaging.formats.source import Format, ImageFile, PageHeader, require_plausible
from matcurate.imaging.formats.vendors import TiffContext, olympus_sis, read_vendors
from matcurate.imaging.grey import full_range, luma, to_depth, without_colour
from matcurate.types import Pixels

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_GREY = (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE)
_COLOUR = (PHOTOMETRIC.RGB, PHOTOMETRIC.YCBCR)
_ALPHA = (1, 2)
"""Values of the ExtraSamples tag that mean transparency."""

# tifffile logs a line for each damaged tag; the reader reports damage itself, in one line.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class _Plane:
    """One page of ours: an image of the file, or one sample of its pixels where these are no colours."""

    header: TiffPage
    sample: int | None = None


class TiffSource:
    """An opened TIFF: its pages are the full-resolution images, without thumbnails, masks and previews.

    Samples that are neither grey nor colours are channels: each is a page of its own. The orientation tag is ignored,
    as by ImageJ and scikit-image, in which masks for TIFF are drawn.
    """

    def __init__(self, file: ImageFile) -> None:
        self._source, self._path = file.handle, file.path
        self._file = TiffFile(file.handle)
        images = _images(self._file)
        stated = int((self._file.imagej_metadata or {}).get("images", 1))
        # ImageJ writes stacks over 4 GiB as one page followed by the bare pixels of the others.
        self._bare_stack = len(images) == 1 and stated > 1
        self._planes = [_Plane(image, sample) for image in images for sample in _channels(image)]
        self.pages = stated if self._bare_stack else len(self._planes)

    def header(self, page: int) -> PageHeader:
        """Size from the header; scale, recording and name as the vendors' tags state them."""
        plane = self._plane(page)
        header = plane.header
        statement, warnings = read_vendors(TiffContext.of(self._file, header, self._path))
        names = (statement.page_name, "" if plane.sample is None else f"channel {plane.sample}")
        shape = (header.imagelength, header.imagewidth)
        return PageHeader.stating(shape, statement.scales, names, statement.acquisition, warnings)

    def read(self, page: int) -> Pixels:
        """Decode to grey (H, W); ValueError when pixels are missing, or are no grey or colour image."""
        plane = self._plane(page)
        header = plane.header
        _check_kind(header)
        values = self._bare_page(header, page) if self._bare_stack else self._stored_page(header)
        if header.axes.startswith("S"):
            values = np.moveaxis(values, 0, -1)
        if plane.sample is not None:
            values = values[..., plane.sample]
        return to_depth(self._grey(header, values))

    def _plane(self, page: int) -> _Plane:
        return self._planes[0 if self._bare_stack else page]

    def _stored_page(self, header: TiffPage) -> NDArray[Any]:
        require_all_segments(header, self._file.filehandle.size)
        values = header.asarray()
        if values.size == 0:
            raise ValueError("it has no pixels")
        return values

    def _bare_page(self, header: TiffPage, page: int) -> NDArray[Any]:
        dtype = np.dtype(header.dtype).newbyteorder(self._file.byteorder)
        count = int(header.imagelength) * int(header.imagewidth) * int(header.samplesperpixel)
        require_plausible(count * dtype.itemsize, self._file.filehandle.size)
        self._source.seek(header.dataoffsets[0] + page * count * dtype.itemsize)
        data = self._source.read(count * dtype.itemsize)
        return np.frombuffer(data, dtype=dtype, count=count).reshape(header.shape)

    def _grey(self, header: TiffPage, values: NDArray[Any]) -> NDArray[Any]:
        if header.photometric == PHOTOMETRIC.PALETTE:
            # ImageJ's palette is a look-up table over measured values; any other palette is the picture.
            return values if self._file.is_imagej else _coloured(header, values)
        values = without_colour(values)
        bits = int(np.max(header.bitspersample))
        if header.photometric == PHOTOMETRIC.MINISWHITE:
            values = _inverted(values, bits)
        return full_range(values, bits)


FORMATS = (Format("TIFF", (".tif", ".tiff"), tuple((0, magic) for magic in TIFF_MAGIC), TiffSource),)


def require_all_segments(page: TiffPage, size: int) -> None:
    """Refuse a page whose strips or tiles are not all within the file's ``size`` bytes by a ValueError.

    tifffile fills what is missing with zeros.
    """
    segments = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if not segments or any(at == 0 or count == 0 or at + count > size for at, count in segments):
        raise ValueError("part of its pixels is missing")
    needed = math.prod(page.shape) * np.dtype(page.dtype).itemsize
    stored = sum(count for _, count in segments)
    if page.compression == COMPRESSION.NONE and stored < math.prod(page.shape) * int(np.min(page.bitspersample)) // 8:
        raise ValueError("part of its pixels is missing")
    require_plausible(needed, stored)


def _images(file: TiffFile) -> list[TiffPage]:
    """Full-resolution images of the file, without the preview that Olympus SIS adds to its data."""
    whole = [page for page in file.pages if isinstance(page, TiffPage)]
    images = [page for page in whole if not (page.is_reduced or page.is_mask)] or whole
    data = [page for page in images if any(tag in page.tags for tag in olympus_sis.TAGS)]
    if any(not _is_jpeg(page) for page in data):
        images = [page for page in images if page in data or not _is_jpeg(page)]
    return images


def _is_jpeg(page: TiffPage) -> bool:
    return page.compression in (COMPRESSION.JPEG, COMPRESSION.OJPEG)


def _channels(header: TiffPage) -> list[int | None]:
    """Samples that are pages of their own; [None] where all samples together are one picture."""
    samples = int(header.samplesperpixel)
    transparent = sum(int(kind) in _ALPHA for kind in header.extrasamples)
    grey = header.photometric in _GREY and samples - transparent not in (1, 3)
    spectral = header.photometric == PHOTOMETRIC.RGB and samples - transparent < 3
    return list(range(samples - transparent)) if samples > 1 and (grey or spectral) else [None]


def _check_kind(header: TiffPage) -> None:
    if header.photometric == PHOTOMETRIC.SEPARATED:
        raise ValueError("CMYK, kind SEPARATED: colours of a print; convert it to grey or RGB")
    if header.photometric not in (*_GREY, *_COLOUR, PHOTOMETRIC.PALETTE) or header.axes not in ("YX", "YXS", "SYX"):
        kind = PHOTOMETRIC(header.photometric).name
        raise ValueError(f"{header.samplesperpixel} channels of kind {kind}, axes {header.axes}, not grey or RGB")
    if header.dtype is None or np.dtype(header.dtype).kind not in "buif":
        raise ValueError(f"samples of {header.bitspersample} bits in a type that is not a real number")


def _coloured(header: TiffPage, indices: NDArray[Any]) -> NDArray[Any]:
    """Grey uint8 of a palette image; some programs fill the 16-bit colour map with 0 to 255."""
    palette = np.asarray(header.colormap).T
    levels = luma(palette)
    grey = (levels if palette.max() <= 255 else levels >> 8).astype(np.uint8)
    return np.asarray(grey[indices])


def _inverted(values: NDArray[Any], bits: int) -> NDArray[Any]:
    """Turn "0 is white" into "0 is black"; signed and float values change their sign."""
    if values.dtype == np.bool_:
        return np.asarray(~values)
    if values.dtype.kind == "u":
        return np.asarray(values.dtype.type((1 << bits) - 1) - values)
    return np.asarray(-values)

"""Read micrographs from files and bytes, and find them in folders."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from matcurate.errors import UnreadableImageError
from matcurate.imaging.files import decoding, opened
from matcurate.imaging.micrograph import Micrograph
from matcurate.imaging.raster import READERS, RasterSource
from matcurate.imaging.tiff import TIFF_MAGIC, TiffSource
from matcurate.types import Calibration, Pixels

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
"""Suffixes that count as images inside a folder; a file named directly is judged by its content."""
OWN_OUTPUTS = (".phases.png", ".overlay.png", ".boundaries.png", ".ignored.png", ".instances.tif", ".morphology.png")
"""Endings of what ``curate segment`` and ``curate measure`` write, which is never a micrograph."""
_LABEL_FOLDERS = ("masks", "instances")


class ImageSource(Protocol):
    """An opened image file: headers at once, pixels on request."""

    pages: int

    def shape(self, page: int) -> tuple[int, int]:
        """(H, W) from the header."""
        ...

    def read(self, page: int) -> Pixels:
        """Grey pixels (H, W)."""
        ...

    def calibration(self, page: int) -> Calibration | None:
        """Pixel size, when stated."""
        ...


def page_count(path: Path) -> int:
    """Count the pages of an image file without decoding one.

    Raises
    ------
    UnreadableImageError
        As :func:`read_micrograph`.
    """
    with opened(path) as handle, decoding(str(path)):
        return _source(handle, str(path)).pages


def read_micrograph(path: Path, page: int = 0, *, max_megapixels: float = 400.0) -> Micrograph:
    """Read one page of a PNG, JPEG, BMP or TIFF as grey in its original depth.

    Parameters
    ----------
    path : Path
        The file; its content decides the format, not its suffix.
    page : int
        Page of a multi-page TIFF, from 0.
    max_megapixels : float
        Larger images are refused from their header, before anything is decoded.

    Returns
    -------
    Micrograph
        uint8 and uint16 are kept, bool becomes 0 and 255, other types float32; colour becomes luma
        (ITU-R BT.601) of the same depth; "0 is white" is inverted; alpha is left out.

    Raises
    ------
    UnreadableImageError
        One line naming the file and the remedy: no image, empty, truncated, damaged, too large, not finite,
        no permission, a folder, or no such page.
    """
    with opened(path) as handle:
        return _decode(handle, str(path), path.name, page, max_megapixels)


def decode_micrograph(data: bytes, name: str, page: int = 0, *, max_megapixels: float = 400.0) -> Micrograph:
    """Read one page from the bytes of a file called ``name``; otherwise as :func:`read_micrograph`."""
    return _decode(io.BytesIO(data), name, name, page, max_megapixels)


def find_images(paths: Iterable[Path]) -> tuple[list[Path], list[str]]:
    """Expand folders to the images in them.

    Folders are walked recursively in sorted order; hidden entries, files without an image suffix and results of
    ``curate segment`` are left out, and of a dataset folder only its images are taken, not its label images.

    Parameters
    ----------
    paths : iterable of Path
        Files (taken as they are) and folders.

    Returns
    -------
    images : list of Path
        Without repetitions, in the order given.
    problems : list of str
        One line for each path that is missing, may not be listed, or holds no image.
    """
    found: dict[Path, None] = {}
    problems: list[str] = []
    for path in paths:
        if os.path.isdir(path):  # unlike Path.is_dir it answers, not raises, without rights to look
            before = len(problems)
            images = list(_walk(path, problems))
            found.update(dict.fromkeys(images))
            if not images and len(problems) == before:
                problems.append(f"{path}: no images in this folder ({', '.join(SUFFIXES)}); check the path")
        elif os.path.exists(path):
            found[path] = None
        else:
            problems.append(f"{path}: no such file or folder, or no right to see it; check the path")
    return list(found), problems


def _walk(folder: Path, problems: list[str]) -> Iterator[Path]:
    def complain(error: OSError) -> None:
        problems.append(f"{error.filename}: cannot be listed ({error.strerror}); grant read rights to it")

    seen: set[str] = set()  # links are followed, but no folder twice
    for root, folders, files in os.walk(folder, onerror=complain, followlinks=True):
        real = os.path.realpath(root)
        skipped = _LABEL_FOLDERS if "images" in folders else ()
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in skipped)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        for name in sorted(files):
            lower = name.lower()
            if not name.startswith(".") and lower.endswith(SUFFIXES) and not lower.endswith(OWN_OUTPUTS):
                yield Path(root) / name


def _source(handle: BinaryIO, where: str) -> ImageSource:
    head = handle.read(16)
    handle.seek(0)
    if not head:
        raise UnreadableImageError(f"{where}: empty (0 bytes); copy it again")
    if head.startswith(TIFF_MAGIC):
        return TiffSource(handle)
    for magic, reader in READERS.items():
        if head.startswith(magic):
            return RasterSource(handle, reader)
    raise UnreadableImageError(f"{where}: not a PNG, JPEG, BMP or TIFF image; export it as one of these")


def _decode(handle: BinaryIO, where: str, name: str, page: int, max_megapixels: float) -> Micrograph:
    with decoding(where):
        source = _source(handle, where)
        if not 0 <= page < source.pages:
            raise UnreadableImageError(
                f"{where}: no page {page}, it has {source.pages}, counted from 0; choose one of them"
            )
        height, width = source.shape(page)
        if height * width > max_megapixels * 1e6:
            raise UnreadableImageError(
                f"{where}: {width} x {height} pixels ({height * width / 1e6:.0f} megapixels) exceed the limit of "
                f"{max_megapixels:g} megapixels; crop it, or raise CURATE_MAX_MEGAPIXELS"
            )
        pixels = source.read(page)
        calibration = source.calibration(page)
    if pixels.dtype == np.float32 and not np.isfinite(pixels).all():
        raise UnreadableImageError(f"{where}: holds NaN or infinite values; replace them and export it again")
    return Micrograph(pixels, calibration, name, page, source.pages)

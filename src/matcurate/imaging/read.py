"""Read micrographs from files and bytes, and find them in folders."""

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from matcurate.errors import UnreadableImageError
from matcurate.imaging.files import decoding, opened
from matcurate.imaging.formats import SUFFIXES as SUFFIXES
from matcurate.imaging.formats import Format, ImageFile, ImageSource, PageHeader, format_of
from matcurate.imaging.micrograph import Micrograph

OWN_OUTPUTS = (".phases.png", ".overlay.png", ".boundaries.png", ".ignored.png", ".instances.tif", ".morphology.png")
"""Endings of what ``curate segment`` and ``curate measure`` write, which is never a micrograph."""
_LABEL_FOLDERS = ("masks", "instances")


class OpenImage:
    """An image file with its pages, each of which is readable or not by itself.

    ``where`` is its name or path for messages, ``name`` that of the micrographs. Pages over ``max_megapixels`` are
    refused from their header, before anything is decoded.
    """

    def __init__(
        self, file_format: Format, source: ImageSource, where: str, name: str, max_megapixels: float = 400.0
    ) -> None:
        self.format = file_format.name
        self.in_one_file = file_format.in_one_file
        self.pages = source.pages
        self._source, self._where, self._name, self._max_megapixels = source, where, name, max_megapixels

    def read(self, page: int = 0) -> Micrograph:
        """Decode one page, counted from 0; UnreadableImageError names the file, and the page of several."""
        where = self._where if self.pages == 1 else f"{self._where}: page {page}"
        with decoding(where):
            if not 0 <= page < self.pages:
                raise UnreadableImageError(
                    f"{self._where}: no page {page}, it has {self.pages}, counted from 0; choose one of them"
                )
            header = self._source.header(page)
            self._check_size(header, where)
            pixels = self._source.read(page)
        if pixels.dtype == np.float32 and not np.isfinite(pixels).all():
            raise UnreadableImageError(f"{where}: holds NaN or infinite values; replace them and export it again")
        if pixels.size == 0:
            raise UnreadableImageError(f"{where}: has no pixels; copy or export it again")
        return Micrograph(
            pixels, header.calibration, self._name, page, self.pages, header.name, header.acquisition, header.warnings
        )

    def readable(self, problems: list[str]) -> Iterator[Micrograph]:
        """Yield every page that can be read; ``problems`` gets one line for each other page."""
        for page in range(self.pages):
            try:
                micrograph = self.read(page)
            except UnreadableImageError as error:
                problems.append(str(error))
            else:
                yield micrograph

    def _check_size(self, header: PageHeader, where: str) -> None:
        size = header.height * header.width
        if size > self._max_megapixels * 1e6:
            raise UnreadableImageError(
                f"{where}: {header.width} x {header.height} pixels ({size / 1e6:.0f} megapixels) exceed the limit of "
                f"{self._max_megapixels:g} megapixels; crop it, or raise CURATE_MAX_MEGAPIXELS"
            )


@contextmanager
def opened_image(path: Path, *, max_megapixels: float = 400.0) -> Iterator[OpenImage]:
    """Open an image file with what its microscope wrote beside it; its content decides the format, not its suffix.

    No pixel is decoded yet; pages over ``max_megapixels`` will be refused from their header. Raises
    UnreadableImageError with the remedy: no image, empty, damaged, no permission, a folder, or a format whose reader is
    not installed.
    """
    with opened(path) as handle, _image(handle, str(path), path.name, path, max_megapixels) as image:
        yield image


@contextmanager
def decoded_image(data: bytes, name: str, *, max_megapixels: float = 400.0) -> Iterator[OpenImage]:
    """Open the bytes of a file called ``name``; otherwise as :func:`opened_image`, with nothing beside it."""
    with _image(io.BytesIO(data), name, name, None, max_megapixels) as image:
        yield image


def read_micrograph(path: Path, page: int = 0, *, max_megapixels: float = 400.0) -> Micrograph:
    """Read one page (slice, channel or image, from 0) of an image file as grey in its original depth.

    uint8 and uint16 are kept, grey of 2 to 15 bits is stretched to the range of these, bool becomes 0 and 255, other
    types float32; colour becomes luma (ITU-R BT.601) of the same depth; "0 is white" is inverted; alpha is left out.
    Raises UnreadableImageError as :func:`opened_image`, and for a page that is too large, not finite or not there.
    """
    with opened_image(path, max_megapixels=max_megapixels) as image:
        return image.read(page)


def decode_micrograph(data: bytes, name: str, page: int = 0, *, max_megapixels: float = 400.0) -> Micrograph:
    """Read one page from the bytes of a file called ``name``; otherwise as :func:`read_micrograph`."""
    with decoded_image(data, name, max_megapixels=max_megapixels) as image:
        return image.read(page)


def find_images(paths: Iterable[Path]) -> tuple[list[Path], list[str]]:
    """Expand folders to the images in them, without repetitions, and one line for each path that gives none.

    Folders are walked recursively in sorted order; hidden entries, files without an image suffix and results of
    ``curate segment`` are left out, and of a dataset folder only its images are taken, not its label images. Files are
    taken as they are. A path is a problem when it is missing, may not be listed, or holds no image.
    """
    images: dict[Path, None] = {}
    problems: list[str] = []
    for path in paths:
        if os.path.isdir(path):  # unlike Path.is_dir it answers, not raises, without rights to look
            before = len(problems)
            inside = list(_walk(path, problems))
            images.update(dict.fromkeys(inside))
            if not inside and len(problems) == before:
                problems.append(f"{path}: no images in this folder ({', '.join(SUFFIXES)}); check the path")
        elif os.path.exists(path):
            images[path] = None
        else:
            problems.append(f"{path}: no such file or folder, or no right to see it; check the path")
    return list(images), problems


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


@contextmanager
def _image(handle: BinaryIO, where: str, name: str, path: Path | None, max_megapixels: float) -> Iterator[OpenImage]:
    with ExitStack() as cleanup:
        file = ImageFile(handle, where, path, cleanup)
        with decoding(where):
            file_format = format_of(file)
            source = file_format.opener(file)
        yield OpenImage(file_format, source, where, name, max_megapixels)

"""What a reader of one format gives, and what it is given."""

import importlib
import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from matcurate.errors import UnreadableImageError
from matcurate.imaging.calibration import StatedScale, agreed_calibration
from matcurate.imaging.metadata import UNKNOWN, Acquisition
from matcurate.types import Calibration, Pixels

HEAD = 1024
"""Bytes from the beginning of a file in which every format can be recognised."""
EXTRA = "microscopes"
"""The extra of this package that installs the readers of microscopes' own formats."""
MOST_EXPANSION = 10_000
"""Largest ratio of pixels to stored bytes that is believed; only empty images are compressed further."""
_CHECKED_FROM = 1 << 26


@dataclass(frozen=True, slots=True)
class PageHeader:
    """What a file states of one page, without its pixels; ``warnings`` has one line for each contradiction.

    ``name`` is a slice, channel or detector, empty where the file names none; ``calibration`` is believable or None.
    """

    height: int
    width: int
    name: str = ""
    calibration: Calibration | None = None
    acquisition: Acquisition = UNKNOWN
    warnings: tuple[str, ...] = ()

    @classmethod
    def stating(
        cls,
        shape: tuple[int, int],
        scales: Iterable[StatedScale],
        names: Iterable[str] = (),
        acquisition: Acquisition = UNKNOWN,
        warnings: tuple[str, ...] = (),
    ) -> "PageHeader":
        """Header of a page (H, W) with the pixel size that its scales agree on, and the parts of its name joined."""
        calibration, contradictions = agreed_calibration(scales)
        name = ", ".join(name for name in names if name)
        return cls(int(shape[0]), int(shape[1]), name, calibration, acquisition, (*warnings, *contradictions))


class ImageSource(Protocol):
    """An opened image file: headers at once, pixels on request."""

    pages: int

    def header(self, page: int) -> PageHeader:
        """Size, name, scale and metadata of a page."""
        ...

    def read(self, page: int) -> Pixels:
        """Grey pixels (H, W)."""
        ...


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file to be read: its binary handle at the beginning, and its name for messages.

    ``path`` is None where only the bytes are at hand, so that nothing beside the file can be read. ``cleanup`` closes
    what the reader opened.
    """

    handle: BinaryIO
    name: str
    path: Path | None
    cleanup: ExitStack = field(default_factory=ExitStack)

    def on_disk(self, suffix: str) -> Path:
        """Return a path with that suffix that holds the content, for libraries that read only files on disk."""
        if self.path is not None and self.path.suffix.lower() == suffix:
            return self.path
        folder = Path(self.cleanup.enter_context(tempfile.TemporaryDirectory(prefix="matcurate-")))
        copy = folder / f"image{suffix}"
        self.handle.seek(0)
        with copy.open("wb") as target:
            while block := self.handle.read(1 << 20):
                target.write(block)
        return copy


@dataclass(frozen=True, slots=True)
class Format:
    """One file format: how it is recognised, and what opens it.

    Files inside a folder count as images by their ``suffixes`` (lower case, with the dot). ``magic`` has offsets within
    the first :data:`HEAD` bytes and what stands there; one of them decides. ``holds`` looks into a file whose magic
    bytes several formats share. Without ``in_one_file`` the pixels lie in other files beside it.
    """

    name: str
    suffixes: tuple[str, ...]
    magic: tuple[tuple[int, bytes], ...]
    opener: Callable[[ImageFile], ImageSource]
    holds: Callable[[ImageFile], bool] | None = None
    in_one_file: bool = True

    def recognises(self, head: bytes, file: ImageFile) -> bool:
        """Whether a file that begins with ``head`` is of this format."""
        marked = any(head[offset : offset + len(mark)] == mark for offset, mark in self.magic)
        return marked and (self.holds is None or self.holds(file))


def library(module: str, file: ImageFile) -> Any:  # noqa: ANN401 - a module
    """Import a reader of the extra :data:`EXTRA`; UnreadableImageError with the remedy when it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise missing_library(module.partition(".")[0], file) from error


def missing_library(name: str, file: ImageFile) -> UnreadableImageError:
    """One line that names the library that a format needs, and how to install it."""
    return UnreadableImageError(
        f"{file.name}: its format needs the library {name}; install it by 'pip install matcurate[{EXTRA}]'"
    )


def require_plausible(needed: int, stored: int) -> None:
    """Refuse a page whose header claims far more pixels than ``stored`` bytes can hold, by a ValueError.

    needed : bytes of the decoded pixels. A damaged header would otherwise fill the memory with zeros.
    """
    if needed > _CHECKED_FROM and needed > stored * MOST_EXPANSION:
        raise ValueError(f"its header claims {needed} bytes of pixels, but only {stored} bytes are there")

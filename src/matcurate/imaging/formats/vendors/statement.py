"""What one vendor's tags state about a page of a TIFF, and where they are looked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tifffile import TiffFile, TiffPage

from matcurate.imaging.calibration import StatedScale
from matcurate.imaging.metadata import UNKNOWN, Acquisition

Sections = Mapping[str, Mapping[str, str]]
"""An INI text: section, key (both as written), value."""
_LARGEST_TEXT = 1 << 20


@dataclass(frozen=True, slots=True)
class Statement:
    """Scales (most trusted first), recording and name of a page, as one vendor states them."""

    scales: tuple[StatedScale, ...] = ()
    acquisition: Acquisition = UNKNOWN
    page_name: str = ""


@dataclass(frozen=True)
class PageContext:
    """A page of an image file of any format; texts beside the file are read only where its path is known."""

    height: int
    width: int
    path: Path | None

    def tag(self, code: int | str) -> Any:  # noqa: ANN401 - whatever the tag holds
        """Value of a TIFF tag; None in other formats."""
        return None

    def beside(self, *suffixes: str) -> str | None:
        """Text of the first file ``NAME`` + suffix beside the image; None when there is none or it is very large."""
        if self.path is None:
            return None
        for suffix in suffixes:
            for candidate in (self.path.with_name(self.path.stem + ending) for ending in (suffix, suffix.upper())):
                try:
                    if 0 < candidate.stat().st_size <= _LARGEST_TEXT:
                        return decoded_text(candidate.read_bytes())
                except OSError:
                    continue  # no such file, or no right to read it: then nothing is stated there
        return None


@dataclass(frozen=True)
class TiffContext(PageContext):
    """One page of an opened TIFF."""

    file: TiffFile
    page: TiffPage

    @classmethod
    def of(cls, file: TiffFile, page: TiffPage, path: Path | None) -> "TiffContext":
        """Make the context of a page, with its size."""
        return cls(int(page.imagelength), int(page.imagewidth), path, file, page)

    def tag(self, code: int | str) -> Any:  # noqa: ANN401 - whatever the tag holds
        """Value of a tag of the page, else of the file's first page where that is as large; None when there is none."""
        first = self.file.pages.first
        alike = (first.imagelength, first.imagewidth) == (self.page.imagelength, self.page.imagewidth)
        for page in (self.page, first) if alike else (self.page,):
            if (tag := page.tags.get(code)) is not None:
                return tag.value
        return None

    def fields(self, *codes: int) -> dict[str, Any]:
        """What tifffile has read out of several tags, later ones first; empty without them."""
        values = (self.tag(code) for code in codes)
        return {key: value for fields in values if isinstance(fields, dict) for key, value in fields.items()}

    @cached_property
    def description(self) -> str:
        """Text of the ImageDescription tag, empty when there is none."""
        value = self.tag("ImageDescription")
        return value if isinstance(value, str) else ""


def decoded_text(data: bytes) -> str:
    """Text in the encodings that microscopes write: UTF-16 or UTF-8 with a byte-order mark, UTF-8, else Latin-1."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def sections(text: str) -> Sections:
    """Split an INI text; keys before the first section stand under the empty name; other lines are left out."""
    result: dict[str, dict[str, str]] = {}
    current = result.setdefault("", {})
    for line in text.splitlines():
        entry = line.strip().strip("\0")
        if entry.startswith("[") and entry.endswith("]"):
            current = result.setdefault(entry[1:-1], {})
        elif "=" in entry:
            key, _, value = entry.partition("=")
            current[key.strip()] = value.strip()
    return result


def xml_root(text: str) -> ElementTree.Element | None:
    """Root of an XML text, None when it is damaged or declares entities (a few lines could fill the memory)."""
    text = text.strip("\0 \r\n\t\x01")
    if "<!ENTITY" in text or "<!DOCTYPE" in text:
        return None
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError):
        return None

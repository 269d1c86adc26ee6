"""Every file format that is read. A new one is a module with ``FORMATS`` and its place in the list here."""

from matcurate.errors import UnreadableImageError
from matcurate.imaging.formats import (
    czi,
    digitalmicrograph,
    emd,
    hspy,
    imaris,
    leica,
    mrc,
    nrrd,
    olympus,
    raster,
    tia,
    tiff,
)
from matcurate.imaging.formats.source import HEAD, Format, ImageFile

MODULES = (raster, tiff, digitalmicrograph, emd, tia, czi, olympus, leica, imaris, hspy, nrrd, mrc)
FORMATS: tuple[Format, ...] = tuple(kind for module in MODULES for kind in module.FORMATS)
"""Tried in this order; the last has marks that stand far behind the beginning of the file."""
SUFFIXES = tuple(suffix for kind in FORMATS for suffix in kind.suffixes)
"""Suffixes that count as images inside a folder; a file named directly is judged by its content."""


def format_of(file: ImageFile) -> Format:
    """Recognise the format by the content.

    Raises UnreadableImageError when the file is empty, or of none of the formats; the message lists them.
    """
    head = file.handle.read(HEAD)
    file.handle.seek(0)
    if not head:
        raise UnreadableImageError(f"{file.name}: empty (0 bytes); copy it again")
    for kind in FORMATS:
        if kind.recognises(head, file):
            file.handle.seek(0)
            return kind
    names = [kind.name for kind in FORMATS if kind.suffixes]
    raise UnreadableImageError(
        f"{file.name}: not a {', '.join(names[:-1])} or {names[-1]} image; export it as one of these"
    )

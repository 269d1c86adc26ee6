"""Open and replace files; turn what the system and the decoders raise into one line with the remedy."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from matcurate.errors import UnreadableImageError

DECODER_ERRORS = (
    ValueError,  # also TiffFileError, UnicodeDecodeError and numpy's reshape
    RuntimeError,  # imagecodecs
    OSError,  # Pillow: "image file is truncated"
    SyntaxError,  # Pillow: bad headers
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    struct.error,
    zlib.error,
    MemoryError,
    AttributeError,  # readers of metadata: a field of another kind than they expect
    AssertionError,
)
"""What Pillow, tifffile, the codecs and the readers of microscopes' formats raise on damaged data."""


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading bytes; UnreadableImageError when it is missing, a folder, or cannot be opened."""
    try:
        handle = path.open("rb")
    except FileNotFoundError:
        raise UnreadableImageError(f"{path}: no such file; check the path") from None
    except IsADirectoryError:
        raise UnreadableImageError(f"{path}: a folder, not an image; name a file in it") from None
    except PermissionError:
        raise UnreadableImageError(f"{path}: no permission to read it; grant read rights to it") from None
    except OSError as error:
        raise UnreadableImageError(f"{path}: cannot be opened ({error.strerror}); check the disk") from error
    with handle:
        yield handle


@contextmanager
def decoding(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises on damaged data into one :class:`UnreadableImageError`."""
    try:
        yield
    except DECODER_ERRORS as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
        raise UnreadableImageError(
            f"{name}: truncated, damaged or of an unknown kind ({reason}); copy or export it again"
        ) from error

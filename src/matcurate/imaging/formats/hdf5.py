"""What the formats that are HDF5 share: the groups inside distinguish them."""

from collections.abc import Callable
from typing import Any

from matcurate.imaging.formats.source import ImageFile, library

MAGIC = ((0, b"\x89HDF\r\n\x1a\n"),)


def opened_hdf5(file: ImageFile) -> Any:  # noqa: ANN401 - h5py.File
    """Open the file for reading; it is closed with ``file``."""
    file.handle.seek(0)
    return file.cleanup.enter_context(library("h5py", file).File(file.handle, "r"))


def holding(test: Callable[[Any], bool]) -> Callable[[ImageFile], bool]:
    """Make the test of a format from one that is given the opened ``h5py.File``."""

    def holds(file: ImageFile) -> bool:
        file.handle.seek(0)
        with library("h5py", file).File(file.handle, "r") as content:
            return test(content)

    return holds

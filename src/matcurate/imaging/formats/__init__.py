"""The file formats that are read: one file each, listed in the registry."""

from matcurate.imaging.formats.registry import FORMATS, SUFFIXES, format_of
from matcurate.imaging.formats.source import Format, ImageFile, ImageSource, PageHeader

__all__ = ["FORMATS", "SUFFIXES", "Format", "ImageFile", "ImageSource", "PageHeader", "format_of"]

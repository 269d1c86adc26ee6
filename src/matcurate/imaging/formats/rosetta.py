"""Images among the signals that RosettaSciIO reads from a microscope's file.

Each image of a signal with further axes (slices, frames, detectors) is a page. Spectra and other signals that are no
images are counted in a warning of the first page. Data stay in the file until a page is read.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from matcurate.imaging.calibration import StatedScale, length_nm
from matcurate.imaging.files import DECODER_ERRORS
from matcurate.imaging.formats.source import ImageFile, PageHeader, library, missing_library, require_plausible
from matcurate.imaging.grey import to_grey
from matcurate.imaging.metadata import UNKNOWN, Acquisition, iso_time, scaled, stated
from matcurate.types import Pixels

_NO_LENGTH = ("ev", "kev", "mev", "s", "ms", "hz", "v")
_SPECTRAL = ("energy", "wavelength")
"""Units, and beginnings of names, of axes along which a signal is a spectrum or a record over time, not an image."""
_COLOURS = ("R", "G", "B")
_PLANES = (("y", "x"), ("height", "width"))


@dataclass(frozen=True, slots=True)
class _Image:
    """A signal whose last two axes after moving them there are the rows and columns of images."""

    data: Any
    rows: Mapping[str, Any]
    columns: Mapping[str, Any]
    others: tuple[Mapping[str, Any], ...]
    title: str
    acquisition: Acquisition

    @property
    def pages(self) -> int:
        return prod(int(axis["size"]) for axis in self.others)

    def index(self, page: int) -> tuple[int, ...]:
        """Position of a page along the other axes, the last one fastest."""
        sizes = tuple(int(axis["size"]) for axis in self.others)
        return tuple(int(at) for at in np.unravel_index(page, sizes)) if sizes else ()


class RosettaSource:
    """Pages of a file that a plugin of RosettaSciIO (a module, as ``digitalmicrograph``) reads with ``options``.

    ``suffix`` is what the plugin expects of a path, and names the format as source of the scale; ``left_out`` counts
    signals of the file that the plugin does not read.
    """

    def __init__(self, file: ImageFile, plugin: str, suffix: str, left_out: int = 0, **options: object) -> None:
        reader = library(f"rsciio.{plugin}", file)
        logging.getLogger("rsciio").setLevel(logging.CRITICAL)  # it logs what this reader reports in one line
        path = file.on_disk(suffix)
        self._label, self._stored = suffix[1:].upper(), path.stat().st_size
        with _plain_errors(library("rsciio.exceptions", file)):
            try:
                signals = _signals(reader, str(path), options)
            except ImportError as error:  # a library that the plugin needs for some files only
                raise missing_library(error.name or str(error), file) from error
        images = [_image_of(signal) for signal in signals]
        self._images = [image for image in images if image is not None]
        self._left_out = len(images) - len(self._images) + left_out
        self.pages = sum(image.pages for image in self._images)
        if not self.pages:
            raise ValueError("it holds no image, only spectra or other signals")

    def header(self, page: int) -> PageHeader:
        """Size, name, scale and recording of a page."""
        image, index = self._at(page)
        left_out = f"{self._left_out} signals of it are no images (spectra) and are left out"
        return PageHeader.stating(
            (image.rows["size"], image.columns["size"]),
            _scales(image, self._label),
            _names(image, index, alone=len(self._images) == 1),
            image.acquisition,
            (left_out,) if page == 0 and self._left_out else (),
        )

    def read(self, page: int) -> Pixels:
        """Decode to grey (H, W); complex values are refused by a ValueError."""
        image, index = self._at(page)
        plane = image.data[index]
        require_plausible(prod(plane.shape) * plane.dtype.itemsize, self._stored)
        # A pool of threads would outlive the call and lock up processes that are forked after it.
        values = np.asarray(plane if isinstance(plane, np.ndarray) else plane.compute(scheduler="synchronous"))
        if values.dtype.names is not None and set(_COLOURS) <= set(values.dtype.names):
            values = np.stack([values[name] for name in _COLOURS], axis=-1)
        return to_grey(values)

    def _at(self, page: int) -> tuple[_Image, tuple[int, ...]]:
        for image in self._images:
            if page < image.pages:
                return image, image.index(page)
            page -= image.pages
        raise IndexError(page)


class _plain_errors:
    """Turn what RosettaSciIO alone raises on damaged files into a ValueError.

    Its exceptions share no base class; a tag of an unknown type ends in a NameError of its own.
    """

    def __init__(self, exceptions: Any) -> None:  # noqa: ANN401 - a module
        named = (getattr(exceptions, name) for name in exceptions.__all__)
        own = (kind for kind in named if isinstance(kind, type) and issubclass(kind, Exception))
        self._types: tuple[type[BaseException], ...] = (NameError, *own)

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, self._types):
            raise ValueError(str(error) or type(error).__name__) from error


def _signals(reader: Any, path: str, options: Mapping[str, object]) -> list[dict[str, Any]]:  # noqa: ANN401
    """Signals whose data stay in the file, but for colours of DM3 and DM4, which the plugin only reads at once."""
    try:
        signals = reader.file_reader(path, lazy=True, **options)
    except ValueError as error:
        if "lazy=True" not in str(error):
            raise
        signals = reader.file_reader(path, lazy=False, **options)
    return list(signals)


def _image_of(signal: Mapping[str, Any]) -> _Image | None:
    """The signal as images; None for a spectrum."""
    axes: Sequence[Mapping[str, Any]] = signal["axes"]
    data = signal["data"]
    if data.ndim != len(axes) or any(_is_spectral(axis) for axis in axes):
        return None
    order = list(range(len(axes)))
    plane = _plane(axes)
    if len(plane) != 2:
        return None
    others = [at for at in order if at not in plane]
    sizes = [{**axes[at], "size": data.shape[at]} for at in order]
    return _Image(
        data.transpose(others + plane),
        sizes[plane[0]],
        sizes[plane[1]],
        tuple(sizes[at] for at in others),
        str(signal.get("metadata", {}).get("General", {}).get("title", "")),
        _acquisition(signal),
    )


def _is_spectral(axis: Mapping[str, Any]) -> bool:
    named = str(axis.get("name", "")).lower().startswith(_SPECTRAL)
    return named or (_unit(axis).lower() in _NO_LENGTH and not axis.get("navigate"))


def _plane(axes: Sequence[Mapping[str, Any]]) -> list[int]:
    """Axes of the rows and of the columns: y and x by name, else the last two that are not scanned over."""
    names = [str(axis.get("name", "")).lower() for axis in axes]
    for rows, columns in _PLANES:
        if names.count(rows) == names.count(columns) == 1:
            plane = [names.index(rows), names.index(columns)]
            if not any(axes[at].get("navigate") for at in plane):
                return plane
    signal = [at for at, axis in enumerate(axes) if not axis.get("navigate")]
    return signal[-2:] if len(signal) >= 2 else [len(axes) - 2, len(axes) - 1] if _both_lengths(axes) else []


def _both_lengths(axes: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the last two axes are lengths, as those of a map without a signal axis."""
    return len(axes) >= 2 and all(length_nm(1.0, _unit(axis)) is not None for axis in axes[-2:])


def _unit(axis: Mapping[str, Any]) -> str:
    unit = axis.get("units")
    return unit if isinstance(unit, str) else ""


def _scales(image: _Image, label: str) -> Iterator[StatedScale]:
    x, y = (length_nm(axis.get("scale"), _unit(axis)) for axis in (image.columns, image.rows))
    if x is not None:
        yield StatedScale(abs(x), f"{label} scale of the x axis", None if y is None else abs(y))


def _names(image: _Image, index: tuple[int, ...], *, alone: bool) -> Iterator[str]:
    if index or not alone:
        yield image.title
    for number, (axis, at) in enumerate(zip(image.others, index, strict=True)):
        name = axis.get("name")
        yield f"{name if isinstance(name, str) and name else f'axis {number}'} {at}"


def _acquisition(signal: Mapping[str, Any]) -> Acquisition:
    """Recording of a signal; damaged metadata count as not stated."""
    try:
        return _mapped_acquisition(signal)
    except DECODER_ERRORS:
        return UNKNOWN


def _mapped_acquisition(signal: Mapping[str, Any]) -> Acquisition:
    general: dict[str, Any] = dict(signal.get("metadata", {}).get("General", {}))
    instrument: dict[str, Any] = {}
    for kind in ("TEM", "SEM"):
        instrument |= signal.get("metadata", {}).get("Acquisition_instrument", {}).get(kind, {})
    for source, target in signal.get("mapping", {}).items():
        if target is not None and (value := _walk(signal["original_metadata"], source, target[1])) is not None:
            section, _, field = target[0].rpartition(".")
            (general if section == "General" else instrument).setdefault(field, value)
    date = f"{general.get('date', '')}T{general.get('time', '')}"
    detector = instrument.get("Detector")
    return stated(
        instrument=instrument.get("microscope"),
        detector=detector if isinstance(detector, str) else instrument.get("detector_type"),
        voltage_kv=instrument.get("beam_energy"),
        magnification=instrument.get("magnification"),
        working_distance_mm=scaled(instrument.get("working_distance"), 1.0),
        acquired_at=iso_time(date[:19], ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT")),
    )


def _walk(tree: Any, path: str, convert: Callable[[Any], object] | None) -> object:  # noqa: ANN401
    """Value at a dotted path of nested mappings (spaces may be written as underscores), converted; None if absent."""
    for name in path.split("."):
        if not isinstance(tree, Mapping):
            return None
        tree = tree.get(name, tree.get(name.replace("_", " ")))
    return None if tree is None else convert(tree) if convert is not None else tree

"""Zeiss CZI: scenes, channels, slices and time points."""

from itertools import product
from typing import Any
from xml.etree import ElementTree

import numpy as np

from matcurate.imaging.calibration import StatedScale, number
from matcurate.imaging.formats.source import Format, ImageFile, PageHeader, library, require_plausible
from matcurate.imaging.formats.vendors.statement import xml_root
from matcurate.imaging.grey import to_grey
from matcurate.imaging.metadata import UNKNOWN, Acquisition, iso_time, stated
from matcurate.types import Pixels

_DETECTORS = "Metadata/Information/Instrument/Detectors/Detector"
_MICROSCOPES = "Metadata/Information/Instrument/Microscopes/Microscope"


class CziSource:
    """Pages in the order scene, then the file's own order of axes. A mosaic is put together."""

    def __init__(self, file: ImageFile) -> None:
        path = file.on_disk(".czi")
        self._stored = path.stat().st_size
        opening = library("pylibCZIrw.czi", file).open_czi(str(path))
        self._file: Any = file.cleanup.enter_context(opening)
        box = self._file.total_bounding_box
        self._axes = [name for name in box if name not in "XY"]
        scenes = self._file.scenes_bounding_rectangle or {None: self._file.total_bounding_rectangle}
        planes = list(product(*(range(*box[name]) for name in self._axes)))
        self._several = {name for name in self._axes if box[name][1] - box[name][0] > 1}
        self._pages = [(scene, area, plane) for scene, area in scenes.items() for plane in planes]
        self._scenes = len(scenes)
        self._xml = xml_root(self._file.raw_metadata)
        self.pages = len(self._pages)
        if not self.pages:
            raise ValueError("it holds no image")

    def header(self, page: int) -> PageHeader:
        """Size, scene, channel and slice, scale and recording."""
        scene, area, plane = self._pages[page]
        parts = [f"scene {scene}"] if self._scenes > 1 else []
        for axis, at in zip(self._axes, plane, strict=True):
            if axis in self._several:
                parts.append(self._channel(at) if axis == "C" else f"{axis.lower()} {at}")
        scales = StatedScale.metres(self._distance("X"), "CZI Scaling.Distance", self._distance("Y"))
        return PageHeader.stating((area.h, area.w), scales, parts, self._acquisition())

    def read(self, page: int) -> Pixels:
        """Decode one plane of a scene to grey (H, W)."""
        scene, area, plane = self._pages[page]
        require_plausible(area.h * area.w, self._stored)
        values = np.asarray(self._file.read(plane=dict(zip(self._axes, plane, strict=True)), scene=scene))
        # The library gives colours as blue, green, red.
        return to_grey(values[..., 2::-1] if values.shape[-1] >= 3 else values)

    def _channel(self, index: int) -> str:
        channels = [] if self._xml is None else self._xml.findall("Metadata/Information/Image/Dimensions/Channels/*")
        name = channels[index].get("Name") if index < len(channels) else None
        return name or f"channel {index}"

    def _distance(self, axis: str) -> float | None:
        path = f"Metadata/Scaling/Items/Distance[@Id='{axis}']/Value"
        return None if self._xml is None else number(self._xml.findtext(path))

    def _acquisition(self) -> Acquisition:
        if self._xml is None:
            return UNKNOWN
        detector, microscope = self._xml.find(_DETECTORS), self._xml.find(_MICROSCOPES)
        when = self._xml.findtext("Metadata/Information/Image/AcquisitionDateAndTime") or ""
        objective = "Metadata/Information/Instrument/Objectives/Objective/NominalMagnification"
        return stated(
            instrument=_named(microscope),
            detector=_named(detector),
            magnification=self._xml.findtext(objective),
            acquired_at=iso_time(when[:19], ("%Y-%m-%dT%H:%M:%S",)),
        )


def _named(element: ElementTree.Element | None) -> str | None:
    return None if element is None else element.get("Name") or element.findtext("Model")


FORMATS = (Format("CZI", (".czi",), ((0, b"ZISRAWFILE"),), CziSource),)

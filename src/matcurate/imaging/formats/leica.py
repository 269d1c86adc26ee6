"""Leica LIF: images with channels, slices and time points."""

import logging
from math import prod
from typing import Any

import numpy as np

from matcurate.imaging.calibration import StatedScale, length_nm
from matcurate.imaging.formats.source import Format, ImageFile, PageHeader, library, require_plausible
from matcurate.imaging.grey import to_grey
from matcurate.types import Pixels


class LeicaSource:
    """Pages of every image in the order that the file states."""

    def __init__(self, file: ImageFile) -> None:
        liffile = library("liffile", file)
        logging.getLogger("liffile").setLevel(logging.CRITICAL)
        self._stored = file.handle.seek(0, 2)
        file.handle.seek(0)
        self._file: Any = file.cleanup.enter_context(liffile.LifFile(file.handle, squeeze=False))
        self._frames: list[tuple[Any, int]] = []
        self._left_out = 0
        for image in self._file.images:
            if image.is_flim or not {"Y", "X"} <= set(image.frames.frame_dims):
                self._left_out += 1
                continue
            self._frames += [(image, at) for at in range(len(image.frames))]
        self.pages = len(self._frames)
        if not self.pages:
            raise ValueError("it holds no image")

    def header(self, page: int) -> PageHeader:
        """Size, name of image, channel and slice, and scale."""
        image, frame = self._frames[page]
        left_out = f"{self._left_out} series of it are no images (lifetimes, lines) and are left out"
        warnings = (left_out,) if page == 0 and self._left_out else ()
        parts = [image.name]
        position = image.frames.unravel_index(frame)
        for axis, at in zip(image.frames.dims[: len(position)], position, strict=True):
            if image.sizes[axis] > 1:
                parts.append(f"channel {at}" if axis == "C" else f"{axis.lower()} {at}")
        return PageHeader.stating((image.sizes["Y"], image.sizes["X"]), _scale(image), parts, warnings=warnings)

    def read(self, page: int) -> Pixels:
        """Decode one frame to grey (H, W)."""
        image, frame = self._frames[page]
        require_plausible(prod(image.frames.frame_shape) * image.itemsize, self._stored)
        return to_grey(np.asarray(image.frames[frame]))


def _scale(image: Any) -> list[StatedScale]:  # noqa: ANN401 - liffile.LifImage
    """Length between the first and the last pixel's centres, over the steps between them."""
    edges: dict[str, float] = {}
    for dimension in image._dimensions:  # the coordinates of the public interface have lost their unit
        length = length_nm(dimension.length, dimension.unit)
        if length is not None and dimension.number_elements > 1:
            edges[dimension.label] = abs(length) / (dimension.number_elements - 1)
    return [StatedScale(edges["X"], "LIF DimensionDescription", edges.get("Y"))] if "X" in edges else []


FORMATS = (Format("LIF", (".lif",), ((0, b"\x70\0\0\0"),), LeicaSource),)

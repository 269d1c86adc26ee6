"""Regions as Label Studio stores them: what we write, and what we accept from others."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Literal, NotRequired, TypedDict, cast

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from matcurate.config import first_problem
from matcurate.errors import AnnotationError
from matcurate.labelstudio.bitmask import decode_bitmask
from matcurate.labelstudio.polygons import fill_polygon, from_percent
from matcurate.labelstudio.rle import RleStream, decode_rle
from matcurate.types import BoolMask, FloatArray

Window = tuple[slice, slice]
REACH = 10.0
"""How far beyond the image, in percent of its edge, a polygon or rectangle may reach; that part is clipped.

Label Studio's page holds shapes inside the image. It stored some far outside when a person drew before the image had
loaded (label-studio#3834).
"""
ELLIPSE_REACH = 50.0
"""The same for an ellipse, which may be drawn around an object that the edge of the image cuts."""
ELLIPSE_CORNERS = 720
"""An ellipse is filled as a polygon; it deviates by less than 1e-5 of its radius."""


class Region(TypedDict):
    """One item of a prediction's or annotation's ``result``, as sent to Label Studio."""

    id: str
    type: str
    from_name: str
    to_name: str
    original_width: NotRequired[int]
    original_height: NotRequired[int]
    image_rotation: NotRequired[int]
    score: NotRequired[float]
    value: dict[str, object]


class StoredRegion(BaseModel):
    """One item of ``result`` as Label Studio answers it; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True)

    id: str = ""
    type: str
    from_name: str = ""
    original_width: int | None = None
    original_height: int | None = None
    image_rotation: float = 0
    is_positive: bool = True
    value: dict[str, object] = Field(default_factory=dict)

    def check_geometry(self, shape: tuple[int, int]) -> None:
        """Raise AnnotationError unless the region was drawn on an upright image of ``shape`` (H, W)."""
        height, width = shape
        if self.image_rotation != 0:
            raise AnnotationError(f"drawn on an image rotated by {self.image_rotation:g} degrees; turn it back")
        if (self.original_width, self.original_height) != (width, height):
            drawn = f"{self.original_width} x {self.original_height}"
            raise AnnotationError(
                f"drawn on an image of {drawn} pixels (width x height), the micrograph has {width} x {height}; "
                "check that the task shows the right image"
            )

    def label(self) -> str:
        """Label of a drawn region; raises AnnotationError unless it has exactly one."""
        labels = self.value.get(self.type)
        if not isinstance(labels, list) or len(labels) != 1:
            raise AnnotationError(f"needs exactly one label, has {labels or 'none'}; label it in Label Studio")
        return str(labels[0])


Percent = Annotated[float, Field(ge=-1000, le=1000, allow_inf_nan=False)]


class _Box(BaseModel):
    x: Percent
    y: Percent
    width: Percent
    height: Percent
    rotation: Percent = 0


class _Ellipse(BaseModel):
    x: Percent
    y: Percent
    radiusX: Percent
    radiusY: Percent
    rotation: Percent = 0


class _Polygon(BaseModel):
    points: Annotated[list[tuple[Percent, Percent]], Field(min_length=3)]


class _Brush(BaseModel):
    format: Literal["rle"]
    rle: object


class _Bitmask(BaseModel):
    imageDataURL: str


Filler = Callable[[dict[str, object], tuple[int, int]], tuple[Window, BoolMask]]


def fill_region(region: StoredRegion, shape: tuple[int, int]) -> tuple[Window, BoolMask]:
    """Fill a drawn region of a type in :data:`FILLERS` on a micrograph of ``shape`` (H, W).

    Returns the window (rows, columns) of the image that the region can touch, and the mask of that window. Raises
    AnnotationError when the region is damaged, was drawn on another image, or reaches far beyond this one.
    """
    region.check_geometry(shape)
    try:
        return FILLERS[region.type](region.value, shape)
    except ValidationError as error:
        raise AnnotationError(f"{region.type}: {first_problem(error)}; draw the region again") from error


def _whole(mask: BoolMask) -> tuple[Window, BoolMask]:
    return (slice(None), slice(None)), mask


def _brush(value: dict[str, object], shape: tuple[int, int]) -> tuple[Window, BoolMask]:
    stream = _Brush.model_validate(value).rle
    return _whole(decode_rle(cast(RleStream, stream), shape))  # checks the bytes itself, quicker


def _bitmask(value: dict[str, object], shape: tuple[int, int]) -> tuple[Window, BoolMask]:
    return _whole(decode_bitmask(_Bitmask.model_validate(value).imageDataURL, shape))


def _polygon(value: dict[str, object], shape: tuple[int, int]) -> tuple[Window, BoolMask]:
    return _fill(from_percent(_Polygon.model_validate(value).points, shape), shape, REACH)


def _box(value: dict[str, object], shape: tuple[int, int]) -> tuple[Window, BoolMask]:
    box = _Box.model_validate(value)
    corner, size = from_percent([(box.x, box.y), (box.width, box.height)], shape)
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * size
    return _fill(corner + _turned(corners, box.rotation), shape, REACH)


def _ellipse(value: dict[str, object], shape: tuple[int, int]) -> tuple[Window, BoolMask]:
    ellipse = _Ellipse.model_validate(value)
    centre, radii = from_percent([(ellipse.x, ellipse.y), (ellipse.radiusX, ellipse.radiusY)], shape)
    angle = np.linspace(0, 2 * math.pi, ELLIPSE_CORNERS, endpoint=False)
    rim = np.stack([np.cos(angle), np.sin(angle)], axis=1) * radii
    return _fill(centre + _turned(rim, ellipse.rotation), shape, ELLIPSE_REACH)


def _fill(points: FloatArray, shape: tuple[int, int], reach: float) -> tuple[Window, BoolMask]:
    """Fill a shape that reaches at most ``reach`` percent beyond the image; what lies outside is clipped."""
    size = np.array([shape[1], shape[0]])
    beyond = float(np.max(np.maximum(-points, points - size) / size)) * 100
    if beyond > reach:
        raise AnnotationError(
            f"reaches {beyond:.0f} % of the image's edge beyond the image, more than {reach:g} %; "
            "draw the region again once the image has loaded"
        )
    return fill_polygon(points, shape)


def _turned(points: FloatArray, degrees: float) -> FloatArray:
    """Turn points (N, 2) clockwise, as seen with y down, around the origin."""
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    turned: FloatArray = points @ turn
    return turned


FILLERS: dict[str, Filler] = {
    "brushlabels": _brush,
    "bitmasklabels": _bitmask,
    "polygonlabels": _polygon,
    "rectanglelabels": _box,
    "ellipselabels": _ellipse,
}
UNLABELLED = {"brush", "bitmask", "polygon", "rectangle", "ellipse"}
"""Types of regions an annotator drew without choosing a label."""

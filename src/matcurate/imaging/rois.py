"""ImageJ's regions of interest (``.roi``, and ``RoiSet.zip`` of its ROI Manager) as label images."""

from pathlib import Path

import numpy as np
from roifile import ROI_TYPE, ImagejRoi, roiread
from skimage.draw import ellipse, polygon

from matcurate.errors import DatasetError, UnreadableImageError
from matcurate.imaging.files import decoding, opened
from matcurate.imaging.labels import smallest_labels
from matcurate.types import BoolMask, LabelMap

ROI_SUFFIXES = (".roi", ".zip")
_AREAS = (ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED, ROI_TYPE.RECT, ROI_TYPE.OVAL)


def read_rois(path: Path, shape: tuple[int, int]) -> LabelMap:
    """Ids 1…N of the areas in a ``.roi``, or a ``.zip`` of such files, in their order there; the later one counts.

    ``shape`` (H, W) is that of the image they were drawn on, which the file does not state. A pixel belongs to an area
    when its centre lies inside; coordinates count from the corner of the first pixel. Raises DatasetError when the file
    cannot be read, holds no area, a line or a point, or an area outside the image.
    """
    try:
        with opened(path), decoding(str(path)):
            content = roiread(path)
    except UnreadableImageError as error:
        raise DatasetError(str(error)) from error
    rois = content if isinstance(content, list) else [content]
    labels = np.zeros(shape, dtype=np.uint32)
    for number, roi in enumerate(rois, start=1):
        name = f"{path}: region {roi.name or number}"
        if roi.roitype not in _AREAS:
            raise DatasetError(f"{name} is a {roi.roitype.name.lower()}, no area; delete it in ImageJ's ROI Manager")
        inside = _fill(roi, shape)
        if not inside.any():
            raise DatasetError(
                f"{name} covers no pixel of the {shape[1]} x {shape[0]} image; give the image it belongs to"
            )
        labels[inside] = number
    return smallest_labels(labels)


def _fill(roi: ImagejRoi, shape: tuple[int, int]) -> BoolMask:
    """Pixels of one area; a composite one is filled by the even-odd rule, so that holes stay holes."""
    inside = np.zeros(shape, dtype=np.bool_)
    if roi.roitype == ROI_TYPE.OVAL and roi.subpixel_coordinates is None:
        radii = (roi.bottom - roi.top) / 2, (roi.right - roi.left) / 2
        inside[ellipse(roi.top + radii[0] - 0.5, roi.left + radii[1] - 0.5, *radii, shape=shape)] = True
        return inside
    for path in roi.coordinates(multi=True):
        part = np.zeros(shape, dtype=np.bool_)
        part[polygon(path[:, 1] - 0.5, path[:, 0] - 0.5, shape)] = True
        inside ^= part
    return inside

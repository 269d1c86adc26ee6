"""Regions of ImageJ: their pixels are those whose centres lie inside."""

from pathlib import Path

import numpy as np
import pytest
from roifile import ROI_TYPE, ImagejRoi, roiwrite

from matcurate.errors import DatasetError
from matcurate.imaging.rois import read_rois

SHAPE = (96, 160)


def area(*points: tuple[float, float], name: str = "") -> ImagejRoi:
    """Polygon through corners (x, y)."""
    roi = ImagejRoi.frompoints(np.array(points), name=name)
    roi.roitype = ROI_TYPE.POLYGON
    return roi


def box(kind: ROI_TYPE, top: int, left: int, bottom: int, right: int) -> ImagejRoi:
    return ImagejRoi(roitype=kind, top=top, left=left, bottom=bottom, right=right)


def test_a_set_of_regions(tmp_path: Path) -> None:
    rectangle, oval = box(ROI_TYPE.RECT, 10, 20, 30, 60), box(ROI_TYPE.OVAL, 40, 100, 80, 150)
    roiwrite(tmp_path / "RoiSet.zip", [rectangle, oval, area((5, 60), (45, 60), (45, 84), (5, 84))])
    labels = read_rois(tmp_path / "RoiSet.zip", SHAPE)
    expected = np.zeros(SHAPE, dtype=np.uint8)
    expected[10:30, 20:60], expected[60:84, 5:45] = 1, 3
    np.testing.assert_array_equal(np.where(labels == 2, 0, labels), expected)
    assert np.count_nonzero(labels == 2) == pytest.approx(np.pi * 20 * 25, rel=0.01)
    assert labels[60, 125] == 2 and labels.dtype == np.uint8


def test_one_region(tmp_path: Path) -> None:
    area((150, 90), (170, 90), (170, 100), (150, 100)).tofile(tmp_path / "one.roi")
    labels = read_rois(tmp_path / "one.roi", SHAPE)  # what lies outside is clipped
    assert np.argwhere(labels).min(axis=0).tolist() == [90, 150] and np.count_nonzero(labels) == 60


def test_what_is_no_area_of_the_image_is_refused(tmp_path: Path) -> None:
    area((200, 10), (220, 10), (220, 30), name="far").tofile(tmp_path / "far.roi")
    with pytest.raises(DatasetError, match="region far covers no pixel of the 160 x 96 image"):
        read_rois(tmp_path / "far.roi", SHAPE)
    box(ROI_TYPE.LINE, 0, 0, 5, 5).tofile(tmp_path / "line.roi")
    with pytest.raises(DatasetError, match=r"line\.roi: region 1 is a line, no area"):
        read_rois(tmp_path / "line.roi", SHAPE)
    (tmp_path / "bad.roi").write_bytes(b"no region at all")
    with pytest.raises(DatasetError, match=r"bad\.roi: truncated, damaged"):
        read_rois(tmp_path / "bad.roi", SHAPE)
    with pytest.raises(DatasetError, match="no such file"):
        read_rois(tmp_path / "none.zip", SHAPE)

"""Sizes, shapes and places of single objects, in pixels and in physical units."""

from __future__ import annotations

import csv
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from skimage.measure import regionprops_table

from matcurate.types import Calibration, FloatArray, LabelMap

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MEASURED = ("label", "area", "perimeter", "equivalent_diameter_area", "centroid", "bbox")


@dataclass(frozen=True, slots=True, eq=False)
class ObjectTable:
    """One row for each object; every column is an array (N,), sorted by id.

    Parameters
    ----------
    id : int
        Instance id.
    phase : int
        Class id of most of the object's pixels; 0 when no classes were given.
    area : float
        Number of pixels.
    perimeter : float
        Length of the boundary in pixels (Benkrid and Crookes' estimate, as in scikit-image).
    equivalent_diameter : float
        Diameter in pixels of the circle with the same area.
    circularity : float
        4π area / perimeter², at most 1; 1 for a disc. Objects of a few pixels, whose estimated perimeter is too short
        to mean anything, are held at 1.
    x, y : float
        Centroid in pixels, from the centre of the top left pixel; x runs along the width.
    touches_border : bool
        Whether the object is cut by the edge of the image.
    """

    id: Integers
    phase: Integers
    area: Floats
    perimeter: Floats
    equivalent_diameter: Floats
    circularity: Floats
    x: Floats
    y: Floats
    touches_border: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.id)


def measure_objects(instances: LabelMap, phases: LabelMap | None = None) -> ObjectTable:
    """Measure every object of a label map.

    Parameters
    ----------
    instances : unsigned array (H, W)
        Object ids, 0 is background. An id may be in several pieces; it is measured as one object.
    phases : unsigned array (H, W), optional
        Class ids.
    """
    compact, ids = _compact(instances)
    columns = regionprops_table(compact, properties=MEASURED)
    height, width = instances.shape
    area = np.asarray(columns["area"], dtype=np.float64)
    perimeter = np.asarray(columns["perimeter"], dtype=np.float64)
    touches = (
        (columns["bbox-0"] == 0)
        | (columns["bbox-1"] == 0)
        | (columns["bbox-2"] == height)
        | (columns["bbox-3"] == width)
    )
    return ObjectTable(
        id=ids,
        phase=_majority(compact, phases, len(ids)),
        area=area,
        perimeter=perimeter,
        equivalent_diameter=np.asarray(columns["equivalent_diameter_area"], dtype=np.float64),
        circularity=_circularity(area, perimeter),
        x=np.asarray(columns["centroid-1"], dtype=np.float64),
        y=np.asarray(columns["centroid-0"], dtype=np.float64),
        touches_border=np.asarray(touches, dtype=np.bool_),
    )


def write_objects(table: ObjectTable, path: Path, calibration: Calibration | None = None) -> None:
    """Write the table as CSV, lengths and areas in pixels and, when calibrated, also in nm and µm.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    columns: dict[str, NDArray[np.generic]] = {
        _HEADINGS.get(f.name, f.name): getattr(table, f.name) for f in fields(table)
    }
    columns["touches_border"] = table.touches_border.astype(np.int64)
    if calibration is not None:
        nm = calibration.nm_per_px
        columns |= {
            "area_um2": table.area * (nm / 1000.0) ** 2,
            "perimeter_um": table.perimeter * nm / 1000.0,
            "equivalent_diameter_nm": table.equivalent_diameter * nm,
            "equivalent_diameter_um": table.equivalent_diameter * nm / 1000.0,
            "x_um": table.x * nm / 1000.0,
            "y_um": table.y * nm / 1000.0,
        }
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows(zip(*(_cells(column) for column in columns.values()), strict=True))


_HEADINGS = {
    "area": "area_px",
    "perimeter": "perimeter_px",
    "equivalent_diameter": "equivalent_diameter_px",
    "x": "x_px",
    "y": "y_px",
}


def _cells(column: NDArray[np.generic]) -> list[str]:
    if np.issubdtype(column.dtype, np.floating):
        return [f"{value:.6g}" for value in column.tolist()]
    return [str(value) for value in column.tolist()]


def _compact(instances: LabelMap) -> tuple[NDArray[np.int64], Integers]:
    """Ids renumbered 1…N (measuring time follows the largest id otherwise), and the ids they stood for."""
    values, inverse = np.unique(instances, return_inverse=True)
    inverse = inverse.reshape(instances.shape).astype(np.int64)
    if values[0] == 0:
        return inverse, values[1:].astype(np.int64)
    return inverse + 1, values.astype(np.int64)


def _majority(compact: NDArray[np.int64], phases: LabelMap | None, count: int) -> Integers:
    if phases is None or count == 0:
        return np.zeros(count, dtype=np.int64)
    classes = int(phases.max()) + 1
    votes = np.bincount(compact.ravel() * classes + phases.ravel().astype(np.int64), minlength=(count + 1) * classes)
    return np.asarray(np.argmax(votes.reshape(count + 1, classes)[1:], axis=1), dtype=np.int64)


def _circularity(area: Floats, perimeter: Floats) -> Floats:
    raw: FloatArray = np.divide(4 * np.pi * area, perimeter**2, out=np.ones_like(area), where=perimeter > 0)
    return np.minimum(raw, 1.0)

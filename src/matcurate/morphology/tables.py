"""The table of objects as CSV and as records."""

import csv
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matcurate.files import replace_file
from matcurate.morphology.objects import ObjectTable
from matcurate.types import Calibration

Record = dict[str, int | float | bool | None]

_COLUMNS = {
    "id": "id",
    "phase": "phase",
    "area": "area_px",
    "perimeter": "perimeter_px",
    "equivalent_diameter": "equivalent_diameter_px",
    "circularity": "circularity",
    "x": "x_px",
    "y": "y_px",
    "touches_border": "touches_border",
    "feret_max": "feret_max_px",
    "feret_min": "feret_min_px",
    "aspect_ratio": "aspect_ratio",
    "solidity": "solidity",
    "orientation": "orientation_deg",
    "neighbours": "neighbours",
    "nearest_distance": "nearest_distance_px",
}
_LENGTHS = ("perimeter", "equivalent_diameter", "x", "y", "feret_max", "feret_min", "nearest_distance")


def object_columns(table: ObjectTable, calibration: Calibration | None = None) -> dict[str, NDArray[np.generic]]:
    """Columns by heading: in pixels and, when calibrated, after them in µm (diameters also in nm).

    In pixels an area is their number, x and y are columns and rows, and other lengths are in widths of a pixel.
    """
    columns: dict[str, NDArray[np.generic]] = {head: getattr(table, name) for name, head in _COLUMNS.items()}
    if calibration is not None:
        um = calibration.nm_per_px / 1000.0
        um_y = calibration.nm_per_px_y / 1000.0
        columns["area_um2"] = table.area * (um * um_y)
        columns |= {f"{name}_um": getattr(table, name) * (um_y if name == "y" else um) for name in _LENGTHS}
        columns["equivalent_diameter_nm"] = table.equivalent_diameter * calibration.nm_per_px
    return columns


def object_records(table: ObjectTable, calibration: Calibration | None = None) -> list[Record]:
    """One record for each object with the columns of the CSV; what is not known (NaN) is None."""
    columns = object_columns(table, calibration)
    values = [_known(column) for column in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]


def write_objects(table: ObjectTable, path: Path, calibration: Calibration | None = None) -> None:
    """Write :func:`object_columns` as CSV; what is not known is left empty."""
    columns = object_columns(table, calibration)
    rows = zip(*(_cells(column) for column in columns.values()), strict=True)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(rows)
    replace_file(path, text.getvalue().encode())


def _known(column: NDArray[np.generic]) -> list[int | float | bool | None]:
    if np.issubdtype(column.dtype, np.floating):
        return [value if value == value else None for value in column.tolist()]
    return list(column.tolist())


def _cells(column: NDArray[np.generic]) -> list[str]:
    if np.issubdtype(column.dtype, np.floating):
        return ["" if value is None else f"{value:.9g}" for value in _known(column)]
    return [str(int(value)) for value in column.tolist()]

"""Pixels that are not square: every length is that on the specimen."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from matcurate.morphology.grain_size import intercept_grain_size, planimetric_grain_size
from matcurate.morphology.objects import measure_objects
from matcurate.morphology.outlines import CORNER, DIAGONAL, STRAIGHT, step_lengths
from matcurate.morphology.phases import measure_phases
from matcurate.morphology.report import measure_image
from matcurate.morphology.sizes import size_distribution
from matcurate.morphology.spacing import measure_spacing
from matcurate.morphology.tables import object_records
from matcurate.morphology.units import Unit
from matcurate.types import Calibration
from tests.unit.morphology.morphology_samples import ellipse


def boxes(height, width, shape=(96, 160)):
    """Rectangles of ``height`` rows and ``width`` columns that fill the image; its edges cut the outer ones."""
    rows, columns = np.mgrid[3 : shape[0] + 3, 11 : shape[1] + 11]
    return (rows // height * (shape[1] // width + 2) + columns // width + 1).astype(np.int32)


def grains_on(aspect, seeds, extent):
    """The same Voronoi cells on pixels of height ``aspect``; seeds and extent in widths of a pixel, (y, x)."""
    rows, columns = np.mgrid[: round(extent[0] / aspect), : extent[1]]
    pixels = np.stack([(rows + 0.5) * aspect, columns + 0.5], axis=-1).reshape(-1, 2)
    return (cKDTree(seeds).query(pixels)[1] + 1).reshape(rows.shape).astype(np.uint16)


@pytest.mark.parametrize("aspect", [1.6, 0.625])
def test_a_circle_on_stretched_pixels_measures_as_a_circle(aspect):
    circle = ellipse((200, 200), (100.3, 99.6), 60, 60 / aspect)
    table = measure_objects(circle.astype(np.uint8), aspect=aspect)
    assert table.area[0] == np.count_nonzero(circle)
    assert table.equivalent_diameter[0] == pytest.approx(120, rel=0.005)
    assert table.perimeter[0] == pytest.approx(np.pi * 120, rel=0.015)
    assert table.circularity[0] > 0.97
    assert table.aspect_ratio[0] == pytest.approx(1, abs=0.01)
    assert 119 < table.feret_min[0] <= table.feret_max[0] < 120 + np.hypot(1, aspect)
    record = object_records(table, Calibration(10.0, aspect))[0]
    assert record["area_um2"] == pytest.approx(np.pi * 0.6**2, rel=0.01)
    assert record["perimeter_um"] == pytest.approx(np.pi * 1.2, rel=0.015)
    assert record["x_um"] == pytest.approx(record["x_px"] * 0.01)
    assert record["y_um"] == pytest.approx(record["y_px"] * 0.01 * aspect)


def test_a_square_of_flat_pixels():
    ids = np.zeros((40, 60), dtype=np.uint8)
    ids[10:15, 20:30] = 1  # 5 rows of height 2, 10 columns
    table = measure_objects(ids, aspect=2.0)
    assert (table.aspect_ratio[0], table.orientation[0], table.solidity[0]) == (pytest.approx(1.0), 0.0, 1.0)
    assert (table.feret_min[0], table.feret_max[0]) == (pytest.approx(10.0), pytest.approx(np.sqrt(200)))
    assert measure_objects(ids).aspect_ratio[0] == pytest.approx(2.0)


def test_step_lengths_become_those_of_square_pixels():
    fitted = step_lengths(1.0 + 1e-9)
    expected = (STRAIGHT, STRAIGHT, DIAGONAL, CORNER, CORNER)
    steps = (fitted.row, fitted.column, fitted.diagonal, fitted.row_corner, fitted.column_corner)
    assert steps == pytest.approx(expected, abs=5e-4)
    # the same line on pixels turned by 90 degrees, measured by their other side
    flat, steep = step_lengths(1.6), step_lengths(1 / 1.6)
    assert (flat.row, flat.column) == (pytest.approx(1.6 * steep.column), pytest.approx(1.6 * steep.row))


def test_distances_and_numbers_per_area():
    ids = np.zeros((96, 160), dtype=np.uint8)
    ids[40, 60], ids[50, 60], ids[40, 90] = 1, 2, 3
    table = measure_objects(ids, aspect=1.6)
    assert table.nearest_distance == pytest.approx([16, 16, 30])
    unit = Unit.of(Calibration(1000.0, 1.6))
    near, far = 1 / ((160 - 32) * (96 * 1.6 - 32)), 1 / ((160 - 60) * (96 * 1.6 - 60))  # Hanisch's weights
    mean = (2 * near * 16 + far * 30) / (2 * near + far)
    assert measure_spacing(table, ids.shape, unit).mean == pytest.approx(mean)
    sizes = size_distribution(table, ids.shape, unit)
    assert sizes.mean_area == pytest.approx(1.6)
    assert sizes.per_area == pytest.approx(3 / (94 * 158 * 1.6))


def test_grain_size_of_squares_by_hand():
    grains = boxes(8, 16)  # 16 µm each way: rows are 2 µm high, columns 1 µm wide
    unit = Unit.of(Calibration(1000.0, 2.0))
    count = planimetric_grain_size(grains, unit)
    assert count.mean_area == pytest.approx(256, rel=0.05)
    lines = intercept_grain_size(grains, unit)
    angle = np.arctan(2.0)  # of the diagonals of a pixel; each stands for a quarter, rows and columns for the rest
    crossings = angle / np.pi + (0.5 - angle / np.pi) + 0.5 * (np.cos(angle) + np.sin(angle))
    assert lines.mean_intercept == pytest.approx(16 / crossings, rel=0.05)
    assert lines.anisotropy == pytest.approx(1.0, abs=0.05)
    stripes = np.repeat(np.arange(12) % 2, 8)[:, None] * np.ones((1, 160), dtype=int)
    assert measure_phases(stripes.astype(np.uint8), unit)[0].mean_chord > 16.0  # 16 µm across, longer along diagonals


@pytest.mark.parametrize("aspect", [1.6, 0.625])
def test_grain_size_does_not_depend_on_the_shape_of_a_pixel(aspect):
    seeds = np.random.default_rng(1).uniform((0, 0), (400, 560), (300, 2))
    square, stretched = (
        measure_image(grains_on(a, seeds, (400, 560)), None, Calibration(500.0, a)).report for a in (1.0, aspect)
    )
    assert (stretched.nm_per_px, stretched.nm_per_px_y) == (500.0, pytest.approx(500 * aspect))
    for method in ("planimetric", "intercept"):
        numbers = [getattr(report.grain_size, method).grain_size_number for report in (square, stretched)]
        assert numbers[0] == pytest.approx(numbers[1], abs=0.06), method
    for name in ("mean_area", "mean_diameter", "d50"):
        assert getattr(stretched.sizes[0], name) == pytest.approx(getattr(square.sizes[0], name), rel=0.02)
    assert stretched.spacing[0].mean == pytest.approx(square.spacing[0].mean, rel=0.02)
    assert stretched.shape.circularity == pytest.approx(square.shape.circularity, rel=0.02)

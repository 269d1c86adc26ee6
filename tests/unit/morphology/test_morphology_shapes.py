"""Discs, ellipses, squares against their analytic values; what rotation and scale may not change."""

import numpy as np
import pytest
from skimage.measure import regionprops_table

from matcurate.morphology.objects import measure_objects
from tests.unit.morphology.morphology_samples import disc, ellipse, random_grains, rectangle

SCALES = (8.0, 20.0, 60.0)
CENTRES = [(150.0, 170.0), (150.3, 170.6), (149.5, 170.5)]
SHAPE = (300, 400)
RADIUS = pytest.mark.parametrize("radius", SCALES)


def measured(masks):
    return [measure_objects(mask.astype(np.uint16)) for mask in masks]


def values(tables, name):
    return np.array([getattr(table, name)[0] for table in tables])


@RADIUS
def test_discs(radius):
    tables = measured(disc(SHAPE, centre, radius) for centre in CENTRES)
    assert values(tables, "area") == pytest.approx(np.pi * radius**2, rel=0.04)
    assert values(tables, "equivalent_diameter") == pytest.approx(2 * radius, rel=0.02)
    assert values(tables, "perimeter") == pytest.approx(2 * np.pi * radius, rel=0.03)
    assert values(tables, "circularity") == pytest.approx(1.0, abs=max(0.02, 0.55 / radius))
    assert values(tables, "feret_max") == pytest.approx(2 * radius, abs=np.sqrt(2))
    assert values(tables, "feret_min") == pytest.approx(2 * radius, abs=1.1)
    assert values(tables, "aspect_ratio") == pytest.approx(1.0, abs=0.02)
    assert values(tables, "solidity").tolist() == [1.0] * len(tables)
    assert [table.y[0] for table in tables] == pytest.approx([y for y, _ in CENTRES], abs=0.15)
    assert [table.x[0] for table in tables] == pytest.approx([x for _, x in CENTRES], abs=0.15)


@RADIUS
@pytest.mark.parametrize("degrees", [0.0, 20.0, 45.0, 110.0, 175.0])
def test_ellipses(radius, degrees):
    long, short = 1.6 * radius, 0.8 * radius
    h = ((long - short) / (long + short)) ** 2
    perimeter = np.pi * (long + short) * (1 + 3 * h / (10 + np.sqrt(4 - 3 * h)))  # Ramanujan
    tables = measured(ellipse(SHAPE, centre, long, short, degrees) for centre in CENTRES)
    assert values(tables, "area") == pytest.approx(np.pi * long * short, rel=0.03)
    assert values(tables, "perimeter") == pytest.approx(perimeter, rel=0.03)
    assert values(tables, "circularity") == pytest.approx(4 * np.pi**2 * long * short / perimeter**2, rel=0.04)
    assert values(tables, "aspect_ratio") == pytest.approx(2.0, rel=0.05)
    assert values(tables, "feret_max") == pytest.approx(2 * long, abs=np.sqrt(2))
    assert values(tables, "feret_min") == pytest.approx(2 * short, abs=1.5)
    angle = values(tables, "orientation")
    assert np.all((angle >= 0) & (angle < 180))
    assert (angle - degrees + 90) % 180 - 90 == pytest.approx(0.0, abs=2.0)


@RADIUS
def test_upright_squares_and_rectangles_are_exact_but_for_the_perimeter(radius):
    edge = 2 * radius
    square, bar = measured([rectangle(SHAPE, (149.5, 199.5), a, edge) for a in (edge, 3 * edge)])
    assert (square.area[0], bar.area[0]) == (edge**2, 3 * edge**2)
    assert (square.feret_max[0], bar.feret_max[0]) == pytest.approx((np.sqrt(2) * edge, np.sqrt(10) * edge))
    assert (square.feret_min[0], bar.feret_min[0]) == pytest.approx((edge, edge))
    assert (square.aspect_ratio[0], bar.aspect_ratio[0]) == pytest.approx((1.0, 3.0))
    assert (square.solidity[0], bar.solidity[0]) == pytest.approx((1.0, 1.0))
    assert (square.orientation[0], bar.orientation[0]) == (0.0, 0.0)
    assert (square.perimeter[0], bar.perimeter[0]) == pytest.approx((4 * edge, 8 * edge), rel=0.04)
    assert square.circularity[0] == pytest.approx(np.pi / 4, rel=0.09)


@RADIUS
@pytest.mark.parametrize("degrees", [10.0, 30.0, 45.0, 72.0])
def test_turned_squares(radius, degrees):
    edge = 2 * radius
    tables = measured(rectangle(SHAPE, centre, edge, edge, degrees) for centre in CENTRES)
    assert values(tables, "area") == pytest.approx(edge**2, rel=0.05)
    assert values(tables, "perimeter") == pytest.approx(4 * edge, rel=0.05)
    assert values(tables, "feret_max") == pytest.approx(np.sqrt(2) * edge, abs=2.0)
    assert values(tables, "feret_min") == pytest.approx(edge, abs=2.0)
    assert values(tables, "solidity").tolist() == [1.0] * len(tables)


def test_a_ring_has_two_boundaries():
    ring = disc(SHAPE, (150, 170), 60) & ~disc(SHAPE, (150, 170), 30)
    (table,) = measured([ring])
    assert table.perimeter[0] == pytest.approx(2 * np.pi * 90, rel=0.01)
    assert table.solidity[0] == pytest.approx(0.75, rel=0.005)


def test_the_solidity_of_an_angle_by_hand():
    angle = np.zeros((16, 24), dtype=np.uint8)
    angle[2:12, 3:13] = 1
    angle[2:7, 8:13] = 0  # 75 pixels; the hull adds 0 + 1 + 2 + 3 + 4 of the 25 taken out
    assert measure_objects(angle).solidity[0] == pytest.approx(75 / 85)


def test_the_perimeter_of_small_objects_by_hand():
    ids = np.zeros((16, 24), dtype=np.uint8)
    ids[2, 2] = 1  # one pixel: a point, half a pixel thick
    ids[2, 6:9] = 2  # there and back, turning twice
    ids[6, 2] = ids[7, 3] = 3  # one diagonal step there and back
    ids[10:13, 2:5] = 4
    ids[11, 3] = 0  # a hole: four diagonal steps inside
    step, diagonal, turn = 0.980, 1.406, -0.091
    expected = [
        np.pi,
        4 * step + 2 * turn + np.pi,
        2 * diagonal + 2 * turn + np.pi,
        8 * step + 4 * turn + np.pi + 4 * diagonal + 4 * turn - np.pi,
    ]
    assert measure_objects(ids).perimeter == pytest.approx(expected)


def test_an_object_in_two_pieces_is_one():
    ids = np.zeros((20, 30), dtype=np.uint8)
    ids[2:6, 2:6] = ids[12:16, 2:6] = 9
    table = measure_objects(ids)
    one = measure_objects(np.where(np.arange(20)[:, None] < 10, ids, 0))
    assert (table.area[0], table.perimeter[0]) == (32.0, pytest.approx(2 * one.perimeter[0]))
    assert (table.y[0], table.x[0]) == (8.5, 3.5)
    assert table.solidity[0] == pytest.approx(32 / (14 * 4))
    assert table.feret_max[0] == pytest.approx(np.hypot(14, 4))


def grains():
    return random_grains((96, 160), 150.0, np.random.default_rng(5))


SHAPES = ("area", "perimeter", "feret_max", "feret_min", "aspect_ratio", "solidity", "circularity", "neighbours")


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turning_the_image_turns_the_objects(turns):
    before, after = (measure_objects(np.rot90(grains(), k)) for k in (0, turns))
    for name in (*SHAPES, "touches_border"):
        assert getattr(after, name) == pytest.approx(getattr(before, name)), name
    turned = (after.orientation - before.orientation - 90 * turns + 90) % 180 - 90
    directed = before.aspect_ratio > 1 + 1e-6
    assert turned[directed] == pytest.approx(0.0, abs=1e-6)
    assert after.nearest_distance == pytest.approx(before.nearest_distance)


def test_transposing_the_image_swaps_x_and_y():
    before, after = measure_objects(grains()), measure_objects(grains().T)
    assert after.x == pytest.approx(before.y)
    assert after.y == pytest.approx(before.x)
    assert after.width.tolist() == before.height.tolist()
    directed = before.aspect_ratio > 1 + 1e-6
    mirrored = (after.orientation + before.orientation - 90 + 90) % 180 - 90
    assert mirrored[directed] == pytest.approx(0.0, abs=1e-6)


def test_magnifying_the_pixels_scales_the_lengths():
    ids = grains()
    before, after = measure_objects(ids), measure_objects(np.kron(ids, np.ones((3, 3), dtype=np.uint32)))
    assert after.area == pytest.approx(9 * before.area)
    for name in ("feret_max", "feret_min", "equivalent_diameter", "nearest_distance"):
        assert getattr(after, name) == pytest.approx(3 * getattr(before, name)), name
    for name in ("aspect_ratio", "neighbours"):
        assert getattr(after, name) == pytest.approx(getattr(before, name)), name
    assert after.x + 0.5 == pytest.approx(3 * (before.x + 0.5))


def test_the_same_as_scikit_image_where_it_measures_the_same():
    ids = grains()
    table = measure_objects(ids)
    names = ("area", "centroid", "bbox", "orientation", "feret_diameter_max", "equivalent_diameter_area")
    theirs = regionprops_table(ids, properties=names)
    assert table.area.tolist() == theirs["area"].tolist()
    assert table.y == pytest.approx(theirs["centroid-0"])
    assert table.x == pytest.approx(theirs["centroid-1"])
    assert table.equivalent_diameter == pytest.approx(theirs["equivalent_diameter_area"])
    assert (table.height == theirs["bbox-2"] - theirs["bbox-0"]).all()
    assert (table.width == theirs["bbox-3"] - theirs["bbox-1"]).all()
    large = (table.area > 60) & (table.aspect_ratio > 1.2)
    assert np.count_nonzero(large) > 30
    difference = (table.orientation - 90 - np.degrees(theirs["orientation"]) + 90) % 180 - 90
    assert difference[large] == pytest.approx(0.0, abs=0.01)
    assert table.feret_max[large] == pytest.approx(theirs["feret_diameter_max"][large], abs=1.0)

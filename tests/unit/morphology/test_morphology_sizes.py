"""Border corrections: counted over all places of an object, and against lattices and random points."""

import numpy as np
import pytest

from matcurate.morphology.objects import measure_objects
from matcurate.morphology.sizes import BINS, size_distribution, weighted_quantiles, whole_weights
from matcurate.morphology.spacing import measure_spacing
from matcurate.morphology.units import Unit
from matcurate.types import Calibration
from tests.unit.morphology.morphology_samples import disc

PX = Unit.of(None)
SHAPE = (96, 160)


def bars(*boxes, shape=SHAPE):
    ids = np.zeros(shape, dtype=np.uint8)
    for number, (top, left, height, width) in enumerate(boxes, start=1):
        ids[top : top + height, left : left + width] = number
    return measure_objects(ids)


def test_weights_by_hand():
    table = bars((10, 20, 10, 30), (40, 20, 50, 4), (0, 100, 3, 3))
    assert whole_weights(table, SHAPE) == pytest.approx([1 / ((95 - 10) * (159 - 30)), 1 / ((95 - 50) * (159 - 4)), 0])


def test_the_density_is_unbiased_over_all_places_of_an_object():
    """An object at each place of the plane once: one per pixel, whatever its size."""
    shape, height, width = (16, 20), 5, 8
    places = [(y, x) for y in range(16 - height + 1) for x in range(20 - width + 1)]
    seen = sum(whole_weights(bars((y, x, height, width), shape=shape), shape).sum() for y, x in places)
    assert seen == pytest.approx(1.0)


def test_means_count_large_objects_more():
    table = bars((10, 20, 10, 30), (40, 20, 50, 4), (0, 100, 3, 3))
    sizes = size_distribution(table, SHAPE, PX)
    first, second = 1 / (85 * 129), 1 / (45 * 155)
    assert (sizes.whole, sizes.cut, sizes.phase) == (2, 1, None)
    assert sizes.per_area == pytest.approx(first + second)
    assert sizes.mean_area == pytest.approx((300 * first + 200 * second) / (first + second))
    diameters = np.sqrt(4 * np.array([300, 200]) / np.pi)
    mean = diameters @ [first, second] / (first + second)
    assert sizes.mean_diameter == pytest.approx(mean)
    assert sizes.deviation == pytest.approx(np.sqrt((diameters - mean) ** 2 @ [first, second] / (first + second)))
    assert (sizes.d10, sizes.d50, sizes.d90) == pytest.approx((diameters[1], diameters[1], diameters[0]))
    assert len(sizes.edges) == BINS + 1
    assert (sizes.edges[0], sizes.edges[-1]) == pytest.approx((diameters[1], diameters[0]))
    assert (sizes.shares[0], sizes.shares[-1]) == pytest.approx((second / (first + second), first / (first + second)))
    assert sum(sizes.shares) == pytest.approx(1.0)


def test_units_of_sizes():
    table = bars((10, 20, 10, 30), (40, 20, 50, 4))
    px, um = size_distribution(table, SHAPE, PX), size_distribution(table, SHAPE, Unit.of(Calibration(500.0)))
    assert um.mean_area == pytest.approx(0.25 * px.mean_area)
    assert um.per_area == pytest.approx(px.per_area / 0.25)
    assert um.d90 == pytest.approx(0.5 * px.d90)
    assert um.edges == pytest.approx([0.5 * edge for edge in px.edges])
    assert um.shares == px.shares


def test_equal_objects_and_none_at_all():
    equal = size_distribution(bars((10, 20, 5, 5), (40, 20, 5, 5)), SHAPE, PX)
    assert equal.deviation == pytest.approx(0.0)
    assert equal.edges[0] < equal.mean_diameter < equal.edges[-1]
    assert sum(equal.shares) == pytest.approx(1.0)
    none = size_distribution(bars((0, 20, 5, 5)), SHAPE, PX)
    assert (none.whole, none.cut, none.per_area, none.mean_area, none.edges) == (0, 1, 0.0, None, ())


def test_one_phase_of_several():
    ids, phases = np.zeros(SHAPE, dtype=np.uint8), np.zeros(SHAPE, dtype=np.uint8)
    ids[10:20, 20:50], ids[40:44, 20:24], ids[60:64, 0:4] = 1, 2, 3
    phases[10:20, 20:50], phases[40:64, :40] = 1, 2
    table = measure_objects(ids, phases)
    second = size_distribution(table, SHAPE, PX, 2)
    assert (second.phase, second.whole, second.cut, second.mean_area) == (2, 1, 1, pytest.approx(16))


def test_quantiles_by_weight():
    values, weights = np.array([3.0, 1.0, 2.0]), np.array([1.0, 2.0, 1.0])
    assert weighted_quantiles(values, weights, (0.1, 0.5, 0.51, 0.75, 0.9)) == (1.0, 1.0, 2.0, 2.0, 3.0)


def test_the_correction_takes_out_the_bias_of_the_edge():
    """Small and large squares, equally many, thrown at random: the large ones are cut more often."""
    rng = np.random.default_rng(7)
    plain, corrected = [], []
    for _ in range(60):
        ids = np.zeros(SHAPE, dtype=np.uint8)
        for number, edge in enumerate((4, 40, 4, 40), start=1):
            top, left = (int(rng.integers(-edge + 1, n)) for n in SHAPE)
            ids[max(top, 0) : top + edge, max(left, 0) : left + edge] = number
        table = measure_objects(ids)
        keep = ~table.touches_border & np.isin(table.area, (16.0, 1600.0))
        weight = whole_weights(table, SHAPE)[keep]
        large = table.area[keep] == 1600.0
        plain += large.tolist()
        corrected.append((weight[large].sum() * (95 + 40) * (159 + 40), weight[~large].sum() * (95 + 4) * (159 + 4)))
    assert np.mean(plain) < 0.35  # of the two halves
    large, small = np.mean(corrected, axis=0)
    assert large / 2 == pytest.approx(1.0, abs=0.35)
    assert small / 2 == pytest.approx(1.0, abs=0.15)


def lattice(step):
    ids = np.zeros((200, 320), dtype=np.uint16)
    number = 0
    for y in range(step // 2, 200, step):
        for x in range(step // 2, 320, step):
            number += 1
            ids[y - 1 : y + 2, x - 1 : x + 2] = number
    return ids


def test_a_lattice_is_ordered():
    table = measure_objects(lattice(20))
    found = measure_spacing(table, (200, 320), Unit.of(Calibration(2000.0)))
    assert table.nearest_distance == pytest.approx(20.0)
    assert found.mean == pytest.approx(40.0)
    assert found.deviation == pytest.approx(0.0, abs=1e-9)
    assert found.objects == 8 * 14  # those in the outer rows are nearer to the edge than 20 px
    assert found.ratio_to_random == pytest.approx(2.0, rel=0.03)


def test_random_points_are_neither_clustered_nor_ordered():
    rng = np.random.default_rng(11)
    ids = np.zeros((400, 640), dtype=np.uint16)
    places = rng.choice(398 * 638, 900, replace=False)
    ids[places // 638 + 1, places % 638 + 1] = np.arange(1, 901)
    found = measure_spacing(measure_objects(ids), ids.shape, PX)
    assert found.ratio_to_random == pytest.approx(1.0, abs=0.05)
    assert found.mean == pytest.approx(0.5 / np.sqrt(900 / (400 * 640)), rel=0.05)


def test_clusters_are_clustered():
    ids = np.zeros((200, 320), dtype=np.uint16)
    for number, (y, x) in enumerate([(50, 60), (50, 66), (150, 250), (150, 256), (60, 250), (60, 256)], start=1):
        ids[y, x] = number
    assert measure_spacing(measure_objects(ids), ids.shape, PX).ratio_to_random < 0.2


def test_distances_within_one_phase():
    ids, phases = np.zeros(SHAPE, dtype=np.uint8), np.zeros(SHAPE, dtype=np.uint8)
    for number, x in enumerate((60, 70, 80), start=1):
        ids[48, x], phases[48, x] = number, 1 + number % 2
    table = measure_objects(ids, phases)
    assert measure_spacing(table, SHAPE, PX).mean == pytest.approx(10.0)
    assert measure_spacing(table, SHAPE, PX, 2).mean == pytest.approx(20.0)
    alone = measure_spacing(table, SHAPE, PX, 1)
    assert (alone.phase, alone.objects, alone.mean, alone.ratio_to_random) == (1, 0, None, None)


def test_a_pair_that_the_edge_cuts_has_no_density_to_compare_with():
    table = measure_objects((disc(SHAPE, (48, 80), 3) + 2 * disc(SHAPE, (48, 90), 3)).astype(np.uint8))
    assert measure_spacing(table, SHAPE, PX).ratio_to_random is not None
    long = np.zeros(SHAPE, dtype=np.uint8)
    long[20:23, :], long[30:33, :] = 1, 2
    assert measure_spacing(measure_objects(long), SHAPE, PX).ratio_to_random is None

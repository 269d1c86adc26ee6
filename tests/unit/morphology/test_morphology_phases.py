"""Phase fractions: E562's multipliers and counting rules by hand, and intervals that hold the truth."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from matcurate.morphology.fields import estimate, fields_along, split
from matcurate.morphology.phases import area_fraction, grid_for, measure_phases, point_count
from matcurate.morphology.units import Unit
from matcurate.types import Calibration

PX = Unit.of(None)


# multipliers t / √n of the standard's table 1, by which s becomes half the 95 % interval
@pytest.mark.parametrize(("n", "multiplier"), [(5, 1.241), (10, 0.715), (30, 0.373)])
def test_multipliers_of_the_standard(n, multiplier):
    fields = np.arange(n, dtype=float)
    found = estimate(10.0, fields / np.std(fields, ddof=1))
    assert (found.high - found.low) / 2 == pytest.approx(multiplier, abs=0.001)
    assert found.relative_accuracy == pytest.approx(multiplier / 10, abs=1e-4)
    assert (found.mean, found.fields) == (10.0, n)


def test_an_interval_by_hand():
    found = estimate(0.25, np.array([0.1, 0.2, 0.3, 0.4]))
    assert found.high - 0.25 == pytest.approx(3.18245 * 0.1290994 / 2, rel=1e-5)
    assert found.clipped(0.1, 0.3).low == 0.1
    assert found.clipped(0.1, 0.3).high == 0.3
    assert estimate(0.0, np.zeros(4)).relative_accuracy is None


def test_fields_tile_the_image():
    seen = np.zeros((97, 163), dtype=int)
    windows = list(split(seen.shape, 5))
    for window in windows:
        seen[window] += 1
    assert (len(windows), seen.min(), seen.max()) == (25, 1, 1)


@pytest.mark.parametrize(("length", "along"), [(0.0, 6), (2.0, 6), (5.0, 3), (7.9, 2), (100.0, 2)])
def test_fields_are_larger_than_what_they_show(length, along):
    assert fields_along((96, 160), length) == along


def test_points_by_hand():
    inside = np.zeros((8, 8), dtype=bool)
    inside[:, :3] = True
    # columns of points at 1, 3, 5, 7 from the left edge: inside, on the boundary, outside, outside
    whole = [(slice(0, 8), slice(0, 8))]
    assert point_count(inside, whole * 2, 4).fraction == pytest.approx(1.5 / 4)
    # 5 x 5 points, at 0.8, 2.4, 4, 5.6, 7.2: two of five columns inside
    assert point_count(inside, whole * 2, 5).fraction == pytest.approx(2 / 5)
    corner = np.zeros((8, 8), dtype=bool)
    corner[0, 0] = True  # touched by the point at (1, 1), where four pixels meet
    assert point_count(corner, whole * 2, 4).fraction == pytest.approx(0.5 / 16)


def test_point_count_interval_by_hand():
    inside = np.zeros((16, 16), dtype=bool)
    inside[:8, :8] = True
    found = point_count(inside, list(split(inside.shape, 2)), 4)
    assert found.fraction == 0.25
    assert (found.fields, found.points) == (4, 16)
    assert (found.low, found.high) == (0.0, 1.0)  # 0.25 ∓ 0.80, held inside what is possible
    assert found.relative_accuracy == pytest.approx(3.18245 * 0.5 / 2 / 0.25, rel=1e-5)


@pytest.mark.parametrize(("fraction", "along"), [(0.03, 10), (0.05, 10), (0.07, 7), (0.15, 5), (0.5, 4), (1.0, 4)])
def test_grids_of_the_standard(fraction, along):
    assert grid_for(fraction) == along


def test_area_fraction_by_hand():
    inside = np.zeros((4, 8), dtype=bool)
    inside[:2, :4] = True
    inside[2:, 4:6] = True
    found = area_fraction(inside, list(split(inside.shape, 2)))  # fields 1, 0, 0, 1/2
    assert found.fraction == 0.375
    assert found.relative_accuracy == pytest.approx(3.18245 * np.std([1, 0, 0, 0.5], ddof=1) / 2 / 0.375, rel=1e-5)
    assert (found.low, found.high) == (0.0, 1.0)
    assert (found.fields, found.points) == (4, 8)


def test_stripes_have_their_fraction_and_chord():
    phases = np.zeros((96, 160), dtype=np.uint8)
    phases[:, np.arange(160) % 16 < 4] = 3
    matrix, stripe = measure_phases(phases, Unit.of(Calibration(500.0)), ("matrix", "a", "b", "stripe"))
    assert (matrix.id, matrix.name, stripe.id, stripe.name) == (0, "matrix", 3, "stripe")
    assert stripe.area_fraction.fraction == 0.25
    assert matrix.area_fraction.fraction + stripe.area_fraction.fraction == 1.0
    # lines at 0°, 45° and 135° cross the 2 µm of a stripe on 2, 2 √2 and 2 √2 µm, those at 90° never end
    per_stripe = (1 / 2 + 2 / (2 * np.sqrt(2))) / 4
    assert stripe.mean_chord == pytest.approx(1 / per_stripe, rel=0.05)
    assert matrix.mean_chord == pytest.approx(3 / per_stripe, rel=0.05)


def test_names_that_are_missing_and_a_single_phase():
    (only,) = measure_phases(np.ones((96, 160), dtype=np.uint8), PX, ("matrix",))
    assert (only.name, only.mean_chord) == (None, None)
    assert (only.area_fraction.fraction, only.area_fraction.low, only.area_fraction.high) == (1.0, 1.0, 1.0)


def test_intervals_hold_the_truth():
    """Random discs thrown over each other cover 1 - exp(-λ π r²) of the plane."""
    rng = np.random.default_rng(1)
    held = {"area": 0, "points": 0}
    trials = 30
    for _ in range(trials):
        inside = discs((192, 256), 5.0, 0.3, rng)
        (_, phase) = measure_phases(inside.astype(np.uint8), PX)
        held["area"] += phase.area_fraction.low <= 0.3 <= phase.area_fraction.high
        held["points"] += phase.point_count.low <= 0.3 <= phase.point_count.high
        assert phase.area_fraction.relative_accuracy < phase.point_count.relative_accuracy * 1.6
    assert all(0.85 <= count / trials for count in held.values()), held


def discs(shape, radius, fraction, rng):
    density = -np.log(1 - fraction) / (np.pi * radius**2)
    margin = 2 * radius
    height, width = shape
    count = rng.poisson(density * (height + 2 * margin) * (width + 2 * margin))
    centres = rng.uniform((-margin, -margin), (height + margin, width + margin), (count, 2))
    pixels = np.stack(np.mgrid[:height, :width], axis=-1).reshape(-1, 2)
    distance, _ = cKDTree(centres).query(pixels, distance_upper_bound=radius)
    return np.isfinite(distance).reshape(shape)


@pytest.mark.parametrize(
    ("nm", "name", "per_px", "mm", "label"),
    [
        (None, "px", 1.0, None, "px"),
        (0.5, "nm", 0.5, 5e-7, "nm"),
        (1.0, "um", 0.001, 1e-6, "µm"),
        (250.0, "um", 0.25, 2.5e-4, "µm"),
    ],
)
def test_units(nm, name, per_px, mm, label):
    unit = Unit.of(None if nm is None else Calibration(nm))
    assert (unit.name, unit.per_px, unit.label) == (name, pytest.approx(per_px), label)
    assert unit.mm_per_px == (None if mm is None else pytest.approx(mm))

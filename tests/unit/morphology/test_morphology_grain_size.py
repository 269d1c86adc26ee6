"""ASTM E112: the standard's own table, tilings of known mean area and intercept, and grains that go on at the edge."""

import numpy as np
import pytest

from matcurate.imaging.synth.registry import generate
from matcurate.morphology.grain_size import (
    RectangleCount,
    intercept_grain_size,
    number_from_density,
    number_from_intercept,
    planimetric_grain_size,
)
from matcurate.morphology.intercepts import count_intercepts
from matcurate.morphology.numbering import compact_ids
from matcurate.morphology.units import Unit
from matcurate.types import Calibration
from tests.unit.morphology.morphology_samples import hexagons, random_grains, squares

UM = Unit.of(Calibration(1000.0))  # one pixel is one µm
PX = Unit.of(None)


# G, grains per mm², mean intercept in µm: rows of the standard's table 4
@pytest.mark.parametrize(
    ("number", "per_mm2", "intercept"),
    [(0, 7.75, 320.0), (1, 15.50, 226.3), (5, 248.0, 56.6), (8, 1984.0, 20.0), (10, 7936.0, 10.0), (14, 126976.0, 2.5)],
)
def test_numbers_of_the_standard(number, per_mm2, intercept):
    assert number_from_density(per_mm2) == pytest.approx(number, abs=0.01)
    assert number_from_intercept(intercept / 1000) == pytest.approx(number, abs=0.02)


def test_one_number_more_means_twice_the_grains():
    assert number_from_density(2000.0) - number_from_density(1000.0) == pytest.approx(1.0)
    assert number_from_intercept(0.01) - number_from_intercept(0.02) == pytest.approx(2.0)


def test_intercepts_of_two_halves_by_hand():
    halves = np.ones((4, 6), dtype=np.uint8)
    halves[:, 3:] = 2
    found = count_intercepts(halves)
    root = np.sqrt(2)
    assert found.length == pytest.approx([4 * 5, 3 * 6, 15 * root, 15 * root])
    assert found.chords.tolist() == [4, 0, 3, 3]
    assert found.per_length == pytest.approx((4 / 20 + 6 / (15 * root)) / 4)


def test_outside_of_labels_no_line_counts():
    one = np.zeros((4, 6), dtype=np.uint8)
    one[1:3, 2:5] = 7
    found = count_intercepts(one)
    assert found.length[:2].tolist() == [2 * (2 + 2 * 0.5), 3 * (1 + 2 * 0.5)]  # half a step at each end
    assert found.chords[:2].tolist() == [2, 3]  # whole chords: both ends are met


def test_chords_are_those_of_a_set_of_squares():
    found = count_intercepts(squares((96, 160), 16, (5, 11)))
    assert found.length[:2] / found.chords[:2] == pytest.approx([16, 16], rel=0.03)


def test_a_rectangle_counts_inner_grains_halves_and_quarters():
    count = RectangleCount.of(squares((96, 160), 16, (5, 11)))  # 7 x 11 squares, 5 x 9 of them whole
    assert (count.inside, count.intercepted, count.corners) == (45, 32, 4)
    assert count.grains == 45 + 32 / 2 - 4 / 4
    assert count.area == 95 * 159


def test_the_count_is_unbiased_over_all_positions_of_the_image():
    counts = [RectangleCount.of(squares((96, 160), 16, (y, x))).grains for y in range(16) for x in range(16)]
    assert np.mean(counts) == pytest.approx(95 * 159 / 16**2)


def test_what_is_no_grain_is_no_tested_area():
    grains = squares((96, 160), 16, (5, 11))
    grains[:, 80:] = 0
    count = RectangleCount.of(grains)
    assert count.corners == 2
    assert count.area == 95 * 79.5  # the last column of grains is not on the edge


@pytest.mark.parametrize("side", [8.0, 14.0, 25.0])
def test_hexagons(side):
    """Area 3√3/2 s² and intercept π √3/4 s (P_L = 2 L_A / π), so that both numbers are known."""
    area, intercept = 1.5 * np.sqrt(3) * side**2, np.pi * np.sqrt(3) / 4 * side
    places = [(0.0, 0.0), (0.3, 0.8), (0.7, 0.4), (1.1, 1.3)]  # a lattice can lie well or badly in the image
    maps = [compact_ids(hexagons((360, 480), side, (y * side, x * side)))[0] for y, x in places]
    lines, counts = ([measure(m, UM) for m in maps] for measure in (intercept_grain_size, planimetric_grain_size))
    assert mean(counts, "mean_area") == pytest.approx(area, rel=0.02)
    assert mean(counts, "grains") == pytest.approx(359 * 479 / area, rel=0.02)
    assert mean(counts, "grains_per_area") == pytest.approx(1 / area, rel=0.02)
    assert mean(counts, "grain_size_number") == pytest.approx(number_from_density(1e6 / area), abs=0.03)
    assert mean(lines, "mean_intercept") == pytest.approx(intercept, rel=0.03)
    assert mean(lines, "grain_size_number") == pytest.approx(number_from_intercept(intercept / 1000), abs=0.08)
    assert mean(lines, "anisotropy") == pytest.approx(np.sqrt(3) / 2, rel=0.05)  # a row meets 2, a column √3
    # of hexagons the standard's two numbers differ by this much
    assert mean(lines, "grain_size_number") - mean(counts, "grain_size_number") == pytest.approx(0.16, abs=0.08)
    for one in counts:
        assert one.grains == pytest.approx(359 * 479 / area, rel=0.06)


def mean(found, name):
    return float(np.mean([getattr(one, name) for one in found]))


def test_random_grains_on_the_mean_of_many_images():
    """Poisson-Voronoi cells: N_A = λ, and intercept π / (4 √λ)."""
    rng = np.random.default_rng(3)
    maps = [compact_ids(random_grains((288, 384), 400.0, rng))[0] for _ in range(12)]
    lines, counts = ([measure(m, UM) for m in maps] for measure in (intercept_grain_size, planimetric_grain_size))
    assert np.mean([line.mean_intercept for line in lines]) == pytest.approx(np.pi / 4 * 20, rel=0.03)
    assert np.mean([count.grains_per_area for count in counts]) == pytest.approx(1 / 400, rel=0.03)
    exact = number_from_density(1e6 / 400), number_from_intercept(np.pi / 4 * 0.02)
    assert np.mean([count.grain_size_number for count in counts]) == pytest.approx(exact[0], abs=0.05)
    assert np.mean([line.grain_size_number for line in lines]) == pytest.approx(exact[1], abs=0.08)
    held = [count.low <= exact[0] <= count.high for count in counts]
    held += [line.low <= exact[1] <= line.high for line in lines]
    assert np.mean(held) >= 0.85  # 95 % intervals


def test_generated_grains_have_their_exact_number_and_area():
    drawn = generate("grains", (480, 640), np.random.default_rng(0))
    grains, ids = compact_ids(drawn.instances)
    count = planimetric_grain_size(grains, Unit.of(drawn.calibration))
    exact = 480 * 640 * 0.25 / count.mean_area  # grains in the image, a pixel is 0.5 µm
    assert len(ids) == drawn.instances.max() == count.inside + count.intercepted
    assert count.inside < exact < len(ids)
    assert count.grains == pytest.approx(exact, rel=0.01)
    cut_in_four = [planimetric_grain_size(compact_ids(part)[0], PX) for part in quarters(drawn.instances)]
    assert sum(part.grains for part in cut_in_four) == pytest.approx(count.grains, rel=0.03)


def quarters(ids):
    height, width = (edge // 2 for edge in ids.shape)
    return ids[:height, :width], ids[:height, width:], ids[height:, :width], ids[height:, width:]


def test_without_a_pixel_size_there_is_no_number():
    grains, _ = compact_ids(hexagons((96, 160), 10.0))
    lines, count = intercept_grain_size(grains, PX), planimetric_grain_size(grains, PX)
    assert (lines.grain_size_number, lines.low, lines.high) == (None, None, None)
    assert (count.grain_size_number, count.low, count.high) == (None, None, None)
    assert count.mean_area == pytest.approx(1.5 * np.sqrt(3) * 100, rel=0.1)


def test_the_number_does_not_depend_on_the_resolution():
    coarse, fine = (compact_ids(hexagons((n * 96, n * 160), n * 10.0))[0] for n in (1, 3))
    for measure in (intercept_grain_size, planimetric_grain_size):
        numbers = [measure(ids, Unit.of(Calibration(nm))).grain_size_number for ids, nm in ((coarse, 900), (fine, 300))]
        assert numbers[0] == pytest.approx(numbers[1], abs=0.1)


def test_bands_have_no_intercept_along_them():
    bands = (np.arange(96)[:, None] // 8 + np.zeros((1, 160), dtype=int) + 1).astype(np.int32)
    found = intercept_grain_size(bands, UM)
    assert found.anisotropy is None
    assert intercept_grain_size(bands.T.copy(), UM).anisotropy == pytest.approx(0.0)


def test_one_grain_has_no_size():
    alone = np.ones((96, 160), dtype=np.int32)
    assert intercept_grain_size(alone, UM) is None
    assert planimetric_grain_size(alone, UM) is None


def test_an_interval_that_reaches_no_grain_at_all_has_no_lower_end():
    two = np.ones((96, 160), dtype=np.int32)
    two[:, 150:] = 2
    found = intercept_grain_size(two, UM)
    assert found.low is None
    assert found.high > found.grain_size_number

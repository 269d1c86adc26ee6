"""Boundary lines in images of two colours, and masks of particles, which show none."""

import numpy as np
import pytest

from matcurate.morphology.lines import measure_lines, part_grains, read_boundaries
from matcurate.morphology.numbering import compact_ids
from matcurate.morphology.structure import boundary_lines, close_lines, decide_structure
from tests.unit.morphology.morphology_samples import disc, hexagons, random_grains

SHAPE = (160, 224)


def diagonals(shape=SHAPE, step=16):
    """Lines one pixel wide along both diagonals, 8-connected: the diamonds between them have 113 pixels each."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return ((rows + columns) % step == 0) | ((rows - columns) % step == 0)


def grown(ids, width):
    """Where another grain is within ``width`` / 2 pixels along a row or column."""
    lines = np.zeros(ids.shape, dtype=bool)
    for shift in range(1, width + 1):
        lines[:, shift:] |= ids[:, shift:] != ids[:, :-shift]
        lines[shift:] |= ids[shift:] != ids[:-shift]
    return lines


def packed_discs(radius, gap):
    """Discs on a triangular lattice, ``gap`` pixels apart."""
    step, mask = 2 * radius + gap, np.zeros(SHAPE, dtype=bool)
    for row in range(-1, SHAPE[0] // step + 3):
        for column in range(-1, SHAPE[1] // step + 2):
            mask |= disc(SHAPE, (row * step * np.sqrt(3) / 2, (column + row % 2 / 2) * step), radius)
    return mask


def test_lines_along_diagonals_part_diamonds():
    lines = diagonals()
    grains = part_grains(lines)
    areas = np.bincount(grains.ravel())[1:]
    assert areas.max() == 113 and np.count_nonzero(areas == 113) > 200
    assert not grains[lines].any() and grains[~lines].all()
    reading = read_boundaries(~lines)
    assert (reading.lines, reading.covered) == ("black", pytest.approx(15 / 128, abs=0.003))
    assert 0.6 < reading.width_px < 1.0  # √½ along a diagonal, by its four sides of a pixel each


@pytest.mark.parametrize("width", [1, 2, 4, 6, 9])
def test_lines_of_any_width_part_grains_in_both_colours(width):
    lines = grown(hexagons(SHAPE, 40.0), width)
    white, black = read_boundaries(lines), read_boundaries(~lines)
    assert (white.lines, black.lines) == ("white", "black")
    assert white.reason.startswith("white boundary lines, ") and white.width_px == black.width_px
    ids = part_grains(lines)
    compact = compact_ids(ids)[0]
    assert decide_structure(compact) == "grains"
    assert (close_lines(compact) > 0).all()


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (packed_discs(12, 5), "% of the image, more than 30%"),
        (packed_discs(20, 2), "lie between round regions"),
        (disc(SHAPE, (80, 100), 30) | disc(SHAPE, (40, 30), 9), "white pixels part it into 1 regions"),
    ],
)
def test_particles_stay_particles(mask, reason):
    reading = read_boundaries(mask)
    assert (reading.lines, reading.width_px) == ("none", None)
    assert reason in reading.reason and "give --boundaries" in reading.reason


def test_a_layer_scattered_rings_a_matrix_and_wide_gaps_are_no_network():
    layer = np.zeros(SHAPE, dtype=bool)
    layer[70:74] = True
    assert "part it into 2 regions" in measure_lines(layer).objection
    rings = np.zeros(SHAPE, dtype=bool)
    for top, left in ((5, 5), (5, 60), (60, 5), (60, 60), (110, 5), (110, 60)):
        rings[top : top + 30, left : left + 30] = True
        rings[top + 1 : top + 29, left + 1 : left + 29] = False
    assert "are in pieces, the largest has 17% of them" in measure_lines(rings).objection
    corner = diagonals() & (np.indices(SHAPE).sum(axis=0) < 97)
    assert "leave one region with" in measure_lines(corner).objection
    blotted = diagonals(step=32)
    blotted[40:70, 40:90] = True
    assert "twice as wide" in measure_lines(blotted).objection


def test_what_a_person_states_stands():
    discs = packed_discs(12, 5)
    assert read_boundaries(discs, "black").lines == "black"
    assert read_boundaries(discs, "black").reason.endswith("as --boundaries black says")
    assert read_boundaries(~diagonals(), "none").lines == "none"


def test_wide_lines_between_ids_are_closed_and_a_matrix_is_not():
    ids = random_grains(SHAPE, 3000.0, np.random.default_rng(2))
    compact = compact_ids(np.where(grown(ids, 6), 0, ids))[0]
    assert boundary_lines(compact).sum() == (compact == 0).sum()
    closed = close_lines(compact)
    assert (closed > 0).all() and np.array_equal(closed[compact > 0], compact[compact > 0])
    apart = compact_ids(packed_discs(12, 5).astype(np.uint8))[0]
    assert np.count_nonzero(close_lines(apart) == 0) > 0.5 * np.count_nonzero(apart == 0)

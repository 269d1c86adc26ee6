"""Which objects touch, which fill the image, and lines drawn between grains."""

import numpy as np
import pytest

from matcurate.morphology.numbering import compact_ids
from matcurate.morphology.objects import count_neighbours, measure_objects, touching_pairs
from matcurate.morphology.structure import LINE_WIDTH, close_lines, decide_structure
from tests.unit.morphology.morphology_samples import disc, hexagons, random_grains, squares

SHAPE = (96, 160)


def lined(ids, width=1):
    """The same grains with boundaries of ``width`` pixels drawn as background."""
    reach = np.zeros(ids.shape, dtype=bool)
    for shift in range(1, width + 1):
        reach[:, shift:] |= ids[:, shift:] != ids[:, :-shift]
        reach[shift:] |= ids[shift:] != ids[:-shift]
    return np.where(reach, 0, ids).astype(ids.dtype)


def test_pairs_by_hand():
    ids = np.array([[1, 1, 2], [3, 0, 2], [3, 4, 4]], dtype=np.int32)
    assert touching_pairs(ids).tolist() == [[1, 2], [1, 3], [2, 4], [3, 4]]
    assert count_neighbours(ids, 4).tolist() == [2, 2, 2, 2]


def test_corners_do_not_touch_and_nobody_touches_background():
    ids = np.array([[1, 0], [0, 2]], dtype=np.int32)
    assert touching_pairs(ids).shape == (0, 2)
    assert count_neighbours(ids, 2).tolist() == [0, 0]


def test_hexagons_have_six_neighbours_and_squares_four():
    inner = measure_objects(hexagons(SHAPE, 10.0))
    assert set(inner.neighbours[~inner.touches_border].tolist()) == {6}
    inner = measure_objects(squares(SHAPE, 16, (5, 11)))
    assert set(inner.neighbours[~inner.touches_border].tolist()) == {4}


@pytest.mark.parametrize("width", [1, 2, LINE_WIDTH - 1])
def test_lines_between_grains_are_closed(width):
    whole = hexagons((192, 320), 20.0)
    ids, _ = compact_ids(lined(whole, width))
    assert np.count_nonzero(ids == 0) > 0.03 * ids.size
    assert decide_structure(ids) == "grains"
    table = measure_objects(lined(whole, width))
    inner = ~table.touches_border
    assert np.count_nonzero(inner) > 10
    # a grain whose line is drawn along the edge of the image may lose a neighbour there
    assert np.bincount(table.neighbours[inner]).argmax() == 6
    assert np.mean(table.neighbours[inner] == 6) > 0.9
    assert np.count_nonzero(close_lines(ids) == 0) == 0


def test_wide_channels_stay():
    ids, _ = compact_ids(lined(hexagons((192, 320), 20.0), 2 * LINE_WIDTH))
    assert decide_structure(ids) == "objects"
    assert np.count_nonzero(close_lines(ids) == 0) > 0.98 * np.count_nonzero(ids == 0)


def test_separate_objects_have_no_neighbours():
    ids = (disc(SHAPE, (40, 40), 12) + 2 * disc(SHAPE, (40, 100), 12)).astype(np.uint8)
    assert decide_structure(compact_ids(ids)[0]) == "objects"
    assert measure_objects(ids).neighbours.tolist() == [0, 0]


def test_the_structure_may_be_said():
    ids = np.zeros(SHAPE, dtype=np.uint8)
    ids[10:30, 10:30], ids[10:30, 32:52] = 1, 2  # two pixels apart, far from filling the image
    assert measure_objects(ids).neighbours.tolist() == [0, 0]
    assert measure_objects(ids, structure="grains").neighbours.tolist() == [1, 1]
    assert (
        measure_objects(random_grains(SHAPE, 200.0, np.random.default_rng(0)), structure="objects").neighbours.min() > 0
    )


def test_a_hole_in_a_tiling_is_no_line():
    ids, _ = compact_ids(squares(SHAPE, 16))
    ids[40:52, 60:72] = 0  # a pore: 144 of 15,360 pixels
    assert decide_structure(ids) == "grains"
    assert np.count_nonzero(close_lines(ids) == 0) == 144


def test_numbers_without_gaps():
    ids = np.array([[0, 70, 70], [9, 0, 4_000_000_000]], dtype=np.uint32)
    compact, known = compact_ids(ids)
    assert compact.tolist() == [[0, 2, 2], [1, 0, 3]]
    assert known.tolist() == [9, 70, 4_000_000_000]
    compact, known = compact_ids(np.array([[5, 70], [9, 5]], dtype=np.uint8))
    assert (compact.tolist(), known.tolist()) == ([[1, 3], [2, 1]], [5, 9, 70])
    full, known = compact_ids(np.array([[4_000_000_000, 7]], dtype=np.uint32))
    assert (full.tolist(), known.tolist()) == ([[2, 1]], [7, 4_000_000_000])

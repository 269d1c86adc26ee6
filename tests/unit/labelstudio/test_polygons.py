import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.draw import disk

from matcurate.labelstudio.polygons import fill_polygon, from_percent, to_percent, trace_outlines

LABELS = st.tuples(st.integers(1, 14), st.integers(1, 23)).flatmap(
    lambda shape: arrays(np.uint16, shape, elements=st.sampled_from([0, 1, 2, 700]))
)


def filled(instances: np.ndarray, tolerance: float = 0.0) -> np.ndarray:
    """Trace, go through Label Studio's percent, fill again."""
    out = np.zeros_like(instances)
    for outline in trace_outlines(instances, tolerance):
        points = from_percent(to_percent(outline.points, instances.shape), instances.shape)
        window, mask = fill_polygon(points, instances.shape)
        out[window][mask] = outline.instance
    return out


def test_outline_of_a_rectangle_by_hand() -> None:
    instances = np.zeros((96, 160), np.uint16)
    instances[24:48, 40:120] = 5  # rows are y, columns are x
    (outline,) = trace_outlines(instances)
    assert outline.instance == 5
    assert outline.points.tolist() == [[40, 24], [120, 24], [120, 48], [40, 48]]
    # x in percent of the width 160, y in percent of the height 96
    assert to_percent(outline.points, instances.shape) == [[25, 25], [75, 25], [75, 50], [25, 50]]


def test_outline_of_an_l_turns_inwards_once() -> None:
    instances = np.array([[1, 0, 0], [1, 0, 0], [1, 1, 1]], np.uint8)
    (outline,) = trace_outlines(instances)
    assert outline.points.tolist() == [[0, 0], [1, 0], [1, 2], [3, 2], [3, 3], [0, 3]]


def test_pixels_touching_at_a_corner_are_two_polygons_of_one_instance() -> None:
    instances = np.array([[3, 0], [0, 3]], np.uint8)
    outlines = trace_outlines(instances)
    assert [(o.instance, o.points.tolist()) for o in outlines] == [
        (3, [[0, 0], [1, 0], [1, 1], [0, 1]]),
        (3, [[1, 1], [2, 1], [2, 2], [1, 2]]),
    ]


def test_outlines_come_in_the_order_of_the_ids() -> None:
    instances = np.array([[9, 9, 2, 2, 5]], np.uint32)
    assert [outline.instance for outline in trace_outlines(instances)] == [2, 5, 9]


def test_nothing_gives_no_outline() -> None:
    assert trace_outlines(np.zeros((4, 7), np.uint8)) == []


def test_a_hole_is_joined_by_a_cut_there_and_back() -> None:
    instances = np.full((5, 7), 1, np.uint8)
    instances[2, 2:4] = 0
    (outline,) = trace_outlines(instances)
    # 4 corners outside, 4 inside, and the cut's two ends once more
    assert len(outline.points) == 10
    np.testing.assert_array_equal(filled(instances), instances)


@given(LABELS)
@settings(max_examples=200, deadline=None)
def test_tracing_and_filling_is_the_identity(instances: np.ndarray) -> None:
    np.testing.assert_array_equal(filled(instances), instances)


def test_instances_inside_instances_inside_holes() -> None:
    rings = np.zeros((60, 91), np.uint8)
    for radius, value in ((28, 1), (22, 0), (18, 2), (12, 1), (5, 0), (3, 4)):
        rings[disk((30, 45), radius)] = value
    np.testing.assert_array_equal(filled(rings), rings)


def test_simplified_outlines_have_fewer_corners_and_stay_within_the_tolerance() -> None:
    instances = np.zeros((80, 120), np.uint8)
    instances[disk((40, 60), 30)] = 1
    exact, simple = (len(trace_outlines(instances, t)[0].points) for t in (0.0, 1.0))
    assert simple < exact / 4
    changed = filled(instances, 1.0) != instances
    radius = np.hypot(*(np.indices(instances.shape) - np.array([40, 60])[:, None, None]))[changed]
    assert np.abs(radius - 30).max() < 2
    assert changed.any()


def test_a_single_pixel_survives_any_tolerance() -> None:
    instances = np.zeros((5, 9), np.uint8)
    instances[2, 6] = 8
    np.testing.assert_array_equal(filled(instances, 3.0), instances)


def test_fill_takes_pixels_by_their_centre() -> None:
    # a triangle over 4 x 3 pixels: the diagonal from (0, 0) to (4, 4) leaves the centres right of it
    window, mask = fill_polygon(np.array([(0, 0), (4, 0), (4, 4)]), (4, 6))
    assert window == (slice(0, 4), slice(0, 4))
    assert mask.astype(int).tolist() == [[1, 1, 1, 1], [0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]]
    # 0.4 px of the next column does not reach its centres, 0.6 px does
    for right, columns in ((2.4, 2), (2.6, 3)):
        window, mask = fill_polygon(np.array([(0, 0), (right, 0), (right, 1), (0, 1)]), (4, 6))
        assert np.count_nonzero(mask) == columns


def test_self_crossing_polygons_follow_the_even_odd_rule() -> None:
    star = np.array([(0, 0), (6, 0), (6, 6), (0, 6), (0, 0), (2, 2), (4, 2), (4, 4), (2, 4), (2, 2)])
    window, mask = fill_polygon(star, (8, 9))
    assert window == (slice(0, 6), slice(0, 6))
    expected = np.ones((6, 6), bool)
    expected[2:4, 2:4] = False
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize(
    "points", [[(-5, -5), (20, -5), (20, 20), (-5, 20)], [(-900, -900), (900, -900), (900, 900), (-900, 900)]]
)
def test_what_lies_beyond_the_image_is_cut_off(points: list[tuple[float, float]]) -> None:
    window, mask = fill_polygon(np.array(points), (6, 11))
    assert window == (slice(0, 6), slice(0, 11))
    assert mask.all()


def test_a_polygon_beside_the_image_covers_nothing() -> None:
    _, mask = fill_polygon(np.array([(20, 1), (30, 1), (30, 4), (20, 4)]), (6, 11))
    assert mask.size == 0

"""Numbers between pixels, and the regions that come out of them, worked out by hand."""

import numpy as np
import pytest

from matcurate.promptable.builtin.basins import Borders, basins_of
from matcurate.promptable.builtin.edges import Between, drop, parted
from matcurate.promptable.builtin.regions import Nested, between_boundaries, linked, of_grey_levels


def parted_by(between: Between) -> Nested:
    return between_boundaries(between)


def strips(weak: float = 0.4, strong: float = 0.9) -> Between:
    """An image of 4 x 9 pixels: three strips of 3 columns, parted by a weak and by a strong boundary."""
    right = np.zeros((4, 8))
    right[:, 2], right[:, 5] = weak, strong
    return Between(right, np.zeros((3, 9)))


def test_a_pixel_sums_over_its_pairs() -> None:
    between = Between(np.array([[1.0, 2.0], [4.0, 8.0]]), np.array([[16.0, 32.0, 64.0]]))
    assert between.shape == (2, 3)
    assert between.around.tolist() == [[17, 35, 66], [20, 44, 72]]


def test_inner_steps_cancel_in_the_sum_over_a_region() -> None:
    grey = np.array([[5.0, 7.0, 1.0], [5.0, 9.0, 1.0]])
    fall = drop(grey)
    assert fall.sum() == 0
    assert fall[:, :2].sum() == (7 - 1) + (9 - 1)  # only the steps to the last column are left


def test_heads_speak_together() -> None:
    boundary = np.array([[0.2, 0.4, 1.0]], dtype=np.float32)
    right = np.array([[0.5, 0.9, 0.0]], dtype=np.float32)
    heads = np.stack([boundary, right, np.zeros((1, 3), dtype=np.float32)])
    alone = parted(heads[:1], ("boundary",))
    np.testing.assert_allclose(alone.right, [[0.3, 0.7]], rtol=1e-6)
    assert alone.below.shape == (0, 3)
    np.testing.assert_allclose(parted(heads, ("boundary", "right", "below")).right, [[0.4, 0.8]], rtol=1e-6)


def columns_of(nested: Nested, node: int) -> list[int]:
    top, left, mask = nested.hierarchy.mask(node)
    assert top == 0 and mask.all()
    return [left, left + mask.shape[1]]


def test_strips_join_across_the_weaker_boundary_first() -> None:
    nested = parted_by(strips())
    tree = nested.hierarchy
    assert tree.area.tolist() == [12, 12, 12, 24, 36]
    homes = tree.home.reshape(4, 9)
    left, middle, right = homes[1, 0], homes[1, 4], homes[1, 8]
    assert columns_of(nested, left) == [0, 3] and columns_of(nested, middle) == [3, 6]
    pair = tree.parent[left]
    assert pair == tree.parent[middle] == 3 and tree.parent[pair] == tree.parent[right] == tree.root == 4
    assert columns_of(nested, pair) == [0, 6]
    assert (nested.right[:, 0] == left).all() and (nested.right[:, 2] == pair).all() and (nested.right[:, 5] == 4).all()
    assert (nested.below == homes[:3]).all() and nested.origin == "boundary"
    turned = parted_by(strips(weak=0.9, strong=0.4)).hierarchy
    assert turned.parent[turned.home.reshape(4, 9)[1, 8]] == turned.parent[turned.home.reshape(4, 9)[1, 4]] == 3


def test_a_flat_image_is_one_region() -> None:
    nested = parted_by(Between(np.zeros((3, 4)), np.zeros((2, 5))))
    assert nested.hierarchy.area.tolist() == [15] and not nested.right.any() and not nested.below.any()


def borders(edges: list[tuple[int, int, float, float]], count: int) -> Borders:
    first, second, mean, length = (np.array(column) for column in zip(*edges, strict=True))
    return Borders(count, np.stack([first, second], axis=1), mean.astype(np.float64), length.astype(np.float64))


def test_water_runs_down_to_the_weakest_pair() -> None:
    """Strengths .1 .3 .2 .4 .3 between six pixels: the third goes with the fourth, as does the fifth with the sixth."""
    row = Between(np.array([[0.1, 0.3, 0.2, 0.4, 0.3]]), np.zeros((0, 6)))
    assert basins_of(row).tolist() == [[0, 0, 1, 1, 2, 2]]
    column = Between(np.zeros((6, 0)), row.right.T)
    assert basins_of(column).ravel().tolist() == [0, 0, 1, 1, 2, 2]
    rng = np.random.default_rng(1)
    basins = basins_of(Between(rng.random((9, 13)), rng.random((8, 14))))
    assert set(basins.ravel()) == set(range(basins.max() + 1)) and np.bincount(basins.ravel()).min() >= 2


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (5, 8)])
def test_equal_neighbours_make_one_basin(shape: tuple[int, int]) -> None:
    height, width = shape
    assert not basins_of(Between(np.zeros((height, width - 1)), np.zeros((height - 1, width)))).any()


def test_borders_of_the_same_two_become_one() -> None:
    """.2 over 1 and .8 over 3 pixels are .65 over 4; what lies within is gone."""
    found = borders([(0, 1, 0.2, 1), (0, 2, 0.8, 3), (1, 2, 0.1, 5), (2, 3, 0.4, 2)], 4)
    assert found.within(0.1).tolist() == [0, 1, 1, 2] and found.within(0.3).tolist() == [0, 0, 0, 1]
    joined = found.joined(np.array([1, 0, 0, 2]), 3)
    assert joined.ends.tolist() == [[0, 1], [0, 2]] and joined.length.tolist() == [4, 2]
    np.testing.assert_allclose(joined.mean, [0.65, 0.4])


def test_hardly_a_boundary_parts_nothing() -> None:
    tree = parted_by(strips(weak=0.09)).hierarchy
    assert tree.area.tolist() == [24, 12, 36]


def test_strengths_are_taken_anew_after_a_round() -> None:
    """0 and 1 join at .1. To 2 they have .2 over 1 and .8 over 9 pixels: .74 together, more than the .5 to 3."""
    found = borders([(0, 1, 0.1, 5), (0, 2, 0.2, 1), (1, 2, 0.8, 9), (1, 3, 0.5, 4), (2, 3, 0.9, 4)], 4)
    above = linked(found)
    assert above[0] == above[1] == 4  # a round ends at .15, before the .2 would have its turn
    assert above[4] == above[3] == 5 and above[5] == above[2] == 6 and above[6] == 6


def test_joining_is_a_binary_tree_in_the_order_of_strength() -> None:
    rng = np.random.default_rng(3)
    between = Between(rng.random((12, 16)), rng.random((11, 17)))
    nested = parted_by(between)
    tree = nested.hierarchy
    below = np.bincount(tree.parent[:-1], minlength=len(tree.parent))
    assert set(below) == {0, 2} and (tree.parent[:-1] > np.arange(len(tree.parent) - 1)).all()
    for row, column in ((0, 0), (5, 7), (10, 15)):
        here, beside = (tree.home.reshape(12, 17)[row, at] for at in (column, column + 1))
        assert nested.right[row, column] == tree.meeting(np.array([here]), np.array([beside]))[0]


def test_grey_regions_meet_at_the_darker_of_two_pixels() -> None:
    levels = np.array([[1, 1, 3, 3, 2], [1, 1, 3, 3, 2]], dtype=np.int32)
    nested = of_grey_levels(levels, 1, "bright")
    tree = nested.hierarchy
    assert tree.area.tolist() == [4, 6, 10]
    assert nested.right[0].tolist() == [2, 2, 0, 1] and nested.below[0].tolist() == [2, 2, 0, 0, 1]
    assert of_grey_levels(levels, 5, "bright").hierarchy.area.tolist() == [6, 10]

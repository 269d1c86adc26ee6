"""Joining patches: what is measured does not depend on numbers, and the order is that of sureness."""

import numpy as np
import pytest

from matcurate.promptable.builtin.agglomeration import grown, joined, of_seams, pairs, sureness
from matcurate.promptable.builtin.edges import Between
from matcurate.promptable.builtin.joining import MEASURES, measured
from matcurate.promptable.builtin.patches import Patches, summed


def strips(*said: float, shape: tuple[int, int] = (12, 40)) -> Patches:
    """Strips of 8 columns each, parted by the given probabilities, grey 0, 1, 0, 1, …."""
    labels = np.broadcast_to(np.arange(shape[1]) // 8, shape).astype(np.int64)
    parted = Between(np.zeros((shape[0], shape[1] - 1)), np.zeros((shape[0] - 1, shape[1])))
    for number, value in enumerate(said, start=1):
        parted.right[:, 8 * number - 1] = value
    return summed(labels, parted, (labels % 2).astype(np.float64))


def boundary(rows: np.ndarray) -> np.ndarray:
    return rows[:, MEASURES.index("boundary")].astype(np.float64)


def test_what_is_measured_of_a_seam() -> None:
    first, *_ = measured(strips(0.5, 0.25, 0.25, 0.5))
    said = dict(zip(MEASURES, first.tolist(), strict=True))
    assert len(MEASURES) == len(first) and np.isfinite(first).all()
    assert said["boundary"] == 0.5 and said["boundary_closed"] == 1
    # Strips 0 and 1 are of one size, so the lower number counts as the small one: it has no other seam.
    assert said["rest"] == 0 and said["boundary_over_rest"] == 0.5
    assert said["around"] == pytest.approx((0.5 + 0.25) / 2)
    assert said["difference"] == pytest.approx(np.log(1 + 0.01))
    assert said["log_small"] == said["log_large"] == pytest.approx(np.log(96))
    assert said["share_of_small"] == pytest.approx(12 / (12 + 12 + 8 + 8))
    assert said["round_both"] == pytest.approx(4 * np.pi * 192 / 56**2)
    assert said["straight"] == pytest.approx(np.sqrt(1 / 12) / np.sqrt(12))


def test_a_twin_has_the_same_grey_on_its_other_side() -> None:
    rows = measured(strips(0.5, 0.5, 0.5, 0.5))
    said = dict(zip(MEASURES, rows[1].tolist(), strict=True))  # strips 1 and 2; beyond strip 1 lies 0, as grey as 2
    assert said["opposite"] == pytest.approx(np.log(0.01)) and said["opposite_share"] == pytest.approx(0.5)
    alone = dict(zip(MEASURES, rows[0].tolist(), strict=True))
    assert alone["opposite"] == pytest.approx(np.log(2.01)) and alone["opposite_share"] == 0


def test_numbers_do_not_matter() -> None:
    rng = np.random.default_rng(1)
    labels = (np.arange(30)[:, None] // 7 * 6 + np.arange(48) // 9).astype(np.int64)
    parted = Between(rng.random((30, 47)), rng.random((29, 48)))
    grey = rng.normal(0, 1, (30, 48))
    renamed = rng.permutation(labels.max() + 1)
    one, other = summed(labels, parted, grey), summed(renamed[labels], parted, grey)
    places = {tuple(sorted(ends)): row for ends, row in zip(other.ends.tolist(), measured(other), strict=True)}
    areas_differ = one.areas[one.ends[:, 0]] != one.areas[one.ends[:, 1]]  # else it is open which one is the small one
    assert areas_differ.sum() > 10
    for ends, row in zip(renamed[one.ends[areas_differ]].tolist(), measured(one)[areas_differ], strict=True):
        np.testing.assert_allclose(places[tuple(sorted(ends))], row, atol=2e-4)


def test_only_the_surest_pairs_are_joined() -> None:
    patches = strips(0.1, 0.2, 0.3, 0.05)
    assert patches.ends.tolist() == [[0, 1], [1, 2], [2, 3], [3, 4]]
    split = np.array([0.1, 0.2, 0.3, 0.05])
    assert pairs(patches, split, 0.5).tolist() == [0, 0, 1, 2, 2]
    assert pairs(patches, split, 0.1).tolist() == [0, 1, 2, 3, 3]
    assert pairs(patches, split, 0.05) is None
    assert pairs(patches, np.full(4, 0.2), 0.5).tolist() == [0, 0, 1, 2, 3]  # of ties, the first


def test_joining_ends_where_every_seam_is_more_likely_than_not() -> None:
    patches = strips(0.9, 0.2, 0.7, 0.4)
    found = joined(patches, boundary)
    assert found.map()[3].tolist() == [0] * 8 + [1] * 16 + [2] * 16
    np.testing.assert_allclose(sureness(found, boundary), [0.9, 0.8, 0.7])
    alone = joined(strips(0.1, 0.1, 0.1, 0.1), boundary)
    assert not alone.map().any() and sureness(alone, boundary).tolist() == [0]


def test_what_was_joined_is_remembered() -> None:
    """Seams of .1 and .4 go, in this order; between the three grains that are left, .9 and .7 stay."""
    parted = grown(strips(0.9, 0.1, 0.7, 0.4), boundary)
    assert parted.parents.tolist() == [0, 5, 5, 6, 6, 5, 6] and parted.nodes.tolist() == [0, 5, 6]
    np.testing.assert_allclose(parted.height, [0, 0, 0, 0, 0, 0.1, 0.4])
    np.testing.assert_allclose(parted.split, [0.9, 0.7])
    assert np.array_equal(parted.grains.map(), joined(strips(0.9, 0.1, 0.7, 0.4), boundary).map())


def test_grains_are_joined_on_to_the_whole_image_the_weakest_seam_first() -> None:
    nested, split = of_seams(grown(strips(0.9, 0.1, 0.7, 0.4), boundary))
    tree = nested.hierarchy
    assert tree.area.tolist() == [96] * 5 + [192, 192, 384, 480]
    assert tree.parent.tolist() == [8, 5, 5, 6, 6, 7, 7, 8, 8]  # .7 before .9
    np.testing.assert_allclose(split.right[4, 7::8], [0.9, 0.1, 0.7, 0.4])
    assert not split.right[:, :7].any() and not split.below.any()
    assert nested.right[4, 7::8].tolist() == [8, 5, 7, 6] and nested.right[4, 6] == 0 and nested.below[0, 39] == 4
    assert nested.origin == "seams"


def test_one_patch_is_one_region() -> None:
    nested, split = of_seams(grown(strips(shape=(4, 8)), boundary))
    assert nested.hierarchy.area.tolist() == [32] and not nested.right.any() and not split.right.any()

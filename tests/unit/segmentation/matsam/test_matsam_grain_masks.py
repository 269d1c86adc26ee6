"""Grains from masks, worked out by hand on arrays of a few pixels."""

import numpy as np
from skimage.measure import label

from matcurate.segmentation.matsam.grain_masks import filled_grains, grain_network, grains_from_masks, pruned
from matcurate.types import Candidate


def box(top: int, left: int, height: int, width: int, quality: float = 0.9) -> Candidate:
    return Candidate(top, left, np.ones((height, width), dtype=bool), quality)


def test_the_network_lies_in_the_middle_of_a_gap_and_reaches_the_frame() -> None:
    ids = np.zeros((6, 11), dtype=np.uint32)
    ids[:, :4], ids[:, 7:] = 1, 2
    expected = np.zeros((6, 11), dtype=bool)
    expected[:, 5] = True
    np.testing.assert_array_equal(grain_network(ids), expected)
    filled = filled_grains(ids, 60)
    assert (filled[:, :5] == 1).all() and (filled[:, 6:] == 2).all() and filled.min() == 1


def test_grains_that_touch_are_parted_where_they_touch() -> None:
    ids = np.ones((6, 8), dtype=np.uint32)
    ids[:, 5:] = 2
    assert np.nonzero(grain_network(ids)[0])[0].tolist() == [4]
    np.testing.assert_array_equal(filled_grains(ids, 60), ids)


def test_three_grains_meet_in_one_network() -> None:
    ids = np.zeros((9, 15), dtype=np.uint32)
    ids[:3, :6], ids[:3, 9:], ids[5:, :] = 1, 2, 3  # gaps of 3 columns and 2 rows
    network = grain_network(ids)
    assert network[:3, 7].all() and network[[3, 4]].any(axis=0).all()
    assert label(~network, connectivity=1).max() == 3
    filled = filled_grains(ids, 60)
    for grain in (1, 2, 3):
        (same,) = np.unique(filled[(ids == grain)])
        assert same == grain


def test_a_gap_inside_one_grain_belongs_to_it() -> None:
    ids = np.ones((20, 32), dtype=np.uint32)
    ids[6:10, 8:20] = 0
    assert not grain_network(ids).any()
    assert (filled_grains(ids, 60) == 1).all()


def test_a_gap_as_wide_as_a_grain_is_one() -> None:
    ids = np.ones((30, 48), dtype=np.uint32)
    ids[:, 32:] = 2
    ids[8:22, 10:30] = 0  # 14 pixels high, 2 columns from the other grain
    filled = filled_grains(ids, 60)
    assert filled.max() == 3
    assert (filled[9:21, 12:28] == filled[15, 20]).all() and filled[15, 20] not in (filled[0, 0], filled[0, 47])
    assert filled_grains(ids, 1000).max() == 2


def test_branches_that_end_inside_the_image_are_pruned() -> None:
    line = np.zeros((7, 12), dtype=bool)
    line[3] = True
    spurs = line.copy()
    spurs[1:3, 5] = spurs[4:6, 8] = True
    np.testing.assert_array_equal(pruned(spurs), line)
    to_the_frame = spurs.copy()
    to_the_frame[0, 5] = True
    assert pruned(to_the_frame)[:3, 5].all() and not pruned(to_the_frame)[5, 8]


def test_small_pieces_are_no_grains_and_the_smaller_mask_lies_on_top() -> None:
    masks = [box(0, 0, 12, 20), box(0, 14, 12, 6), box(2, 2, 1, 3)]  # 240, 72 and 3 pixels
    plain = grains_from_masks(masks, (12, 24), 10, filled=False)
    assert sorted(np.unique(plain, return_counts=True)[1].tolist()) == [51, 72, 240 - 72 - 3]
    assert (plain[:, 20:] == 0).all() and (plain[2, 2:5] == 0).all()
    assert (plain[:, 14:20] == plain[0, 14]).all() and plain[0, 14] != plain[0, 0]
    filled = grains_from_masks(masks, (12, 24), 10)
    assert filled.min() == 1 and filled.max() == 2
    assert (filled[:, 14:] == filled[0, 14]).all()  # what no mask holds goes to the nearest grain


def test_without_masks_the_image_is_one_grain_or_none() -> None:
    assert (grains_from_masks([], (5, 9), 4) == 1).all()
    assert not grains_from_masks([], (5, 9), 4, filled=False).any()
    assert (filled_grains(np.array([[1, 2]], dtype=np.uint32), 1) == 1).all()  # all boundary

"""Each rule alone, on rectangles whose areas are counted by hand."""

import numpy as np
import pytest

from matcurate.segmentation.boost.removal import remove, shared_areas, without_holes
from matcurate.segmentation.boost.settings import BoostSettings
from matcurate.types import Candidate
from tests.unit.segmentation.boost.boost_samples import SHAPE, box

PAPER = BoostSettings()


def fates(*masks: Candidate, settings: BoostSettings = PAPER) -> tuple[list[Candidate], list[tuple[Candidate, str]]]:
    removal = remove(masks, SHAPE, settings)
    return list(removal.kept), [(each.candidate, each.rule) for each in removal.removed]


def test_of_near_duplicates_the_largest_stays_whatever_their_quality() -> None:
    large, small = box(0, 0, 90, 100, quality=0.1), box(5, 5, 90, 100, quality=1.0)  # 8075 of 9000 pixels: IoU .897
    assert fates(small, large) == ([large], [(small, "duplicate")])


def test_a_duplicate_of_a_duplicate_stays_where_it_is_unlike_the_one_that_stays() -> None:
    chain = [box(0, 0, 90, 100), box(0, 0, 90, 85), box(0, 0, 90, 71)]  # IoU .85, .835; first and last .71
    kept, removed = fates(*chain, settings=BoostSettings(compound_share=1))
    assert kept == [chain[0], chain[2]]
    assert removed == [(chain[1], "duplicate")]


@pytest.mark.parametrize(("rows", "goes"), [(4, True), (5, False)])
def test_a_child_below_five_per_cent_of_its_parent_goes(rows: int, goes: bool) -> None:
    parent, child = box(0, 0, 80, 100), box(20, 20, 20 + rows, 100)  # 320 or exactly 400 of 8000
    kept, removed = fates(parent, child)
    assert kept == ([parent] if goes else [parent, child])
    assert [rule for _, rule in removed] == (["tiny child"] if goes else [])


def test_a_child_may_stick_out_by_a_tenth() -> None:
    parent = box(0, 0, 80, 100)
    inside, outside = box(76, 10, 81, 20), box(76, 30, 82, 40)  # 4 of 5 rows inside; 4 of 6
    loose = BoostSettings(containment=0.8, island_share=0)
    assert fates(parent, inside, outside, settings=loose) == ([parent, outside], [(inside, "tiny child")])


@pytest.mark.parametrize(("width", "goes"), [(70, False), (71, True)])
def test_a_parent_goes_when_its_children_cover_over_seventy_per_cent(width: int, goes: bool) -> None:
    parent = box(0, 0, 80, 100)
    children = [box(0, 0, 40, width), box(40, 0, 80, width)]
    kept, removed = fates(parent, *children)
    assert (parent in kept) is not goes
    assert removed == ([(parent, "compound")] if goes else [])


def test_what_children_share_counts_once() -> None:
    parent = box(0, 0, 80, 100)
    children = [box(0, 0, 80, 50), box(0, 20, 80, 60)]  # 50 % and 40 %, but 60 % together
    assert fates(parent, *children)[1] == []


def test_tiny_children_do_not_take_their_parent_with_them() -> None:
    parent = box(0, 0, 80, 160)
    atoms = [box(row, column, row + 7, column + 7) for row in range(0, 80, 8) for column in range(0, 160, 8)]
    kept, removed = fates(parent, *atoms)  # they cover 77 % of it
    assert kept == [parent]
    assert {rule for _, rule in removed} == {"tiny child"}
    assert len(removed) == 200


def test_a_small_mask_in_an_unmasked_surrounding_is_an_island() -> None:
    layer, island, far = box(0, 0, 48, 160), box(70, 60, 78, 80), box(49, 0, 96, 40)
    kept, removed = fates(layer, island, far)
    assert kept == [layer, far]
    assert removed == [(island, "island")]


def test_islands_do_not_hide_each_other() -> None:
    islands = [box(row, column, row + 8, column + 8) for row in range(4, 90, 10) for column in range(4, 150, 10)]
    assert fates(*islands)[0] == []


def test_islands_are_measured_against_the_region_that_larger_masks_leave() -> None:
    wall = box(10, 0, 15, 160)  # 800 pixels are over 5 % of the image, so it is no island; 1600 pixels lie above it
    above, below = box(2, 40, 8, 55), box(50, 40, 56, 55)  # 90 pixels each
    assert fates(wall, above, below) == ([wall, above], [(below, "island")])


def test_masks_of_one_size_do_not_narrow_each_others_surroundings() -> None:
    wall, across = box(10, 0, 15, 160), box(0, 70, 10, 80)  # the 100 pixels of the second part the 1600 above the wall
    alike, half = box(2, 20, 10, 29), box(2, 20, 8, 30)  # 72 and 60 pixels, in 1600 or, after it, in 700
    assert fates(wall, across, alike) == ([wall, across], [(alike, "island")])
    assert fates(wall, across, half) == ([wall, across, half], [])


def test_no_island_is_so_large() -> None:
    assert fates(box(0, 0, 30, 40))[1] == []  # 1200 of 15360 pixels: 7.8 %


def test_a_mask_that_fills_the_image_lies_in_nothing() -> None:
    assert fates(box(0, 0, *SHAPE))[1] == []


def test_inclusions_stay_when_the_shares_are_nought() -> None:
    spare = BoostSettings(child_share=0, island_share=0)
    parent, child, island = box(0, 0, 48, 160), box(10, 10, 14, 14), box(80, 80, 84, 84)
    assert fates(parent, child, island, settings=spare) == ([parent, child, island], [])


def test_empty_masks_are_left_out() -> None:
    assert fates(Candidate(3, 3, np.zeros((0, 0), np.bool_), 0.5)) == ([], [])


def test_nothing_is_lost_between_kept_and_removed() -> None:
    rng = np.random.default_rng(3)
    corners = rng.integers(0, (60, 120), size=(80, 2))
    sizes = rng.integers(1, 36, size=(80, 2))
    masks = [box(r, c, r + h, c + w) for (r, c), (h, w) in zip(corners.tolist(), sizes.tolist(), strict=True)]
    kept, removed = fates(*masks)
    assert sorted(map(id, kept + [mask for mask, _ in removed])) == sorted(map(id, masks))


def test_holes_are_filled_where_only_tiny_children_fit() -> None:
    mask = np.ones((20, 30), dtype=np.bool_)
    mask[2:4, 2:4] = False  # 4 pixels: .7 % of 586
    mask[8:18, 8:18] = False  # 100 pixels
    mask[10, 12] = True
    mask[0, 20] = False  # open to the outside
    filled = without_holes(Candidate(5, 7, mask, 0.5), 0.05)
    assert filled.mask[2:4, 2:4].all()
    assert not filled.mask[8:10, 8:18].any()
    assert not filled.mask[0, 20]
    assert filled.box == (5, 7, 25, 37)
    whole = Candidate(0, 0, mask, 0.5)
    assert without_holes(whole, 0.0) is whole


def test_shared_areas_agree_with_full_masks() -> None:
    rng = np.random.default_rng(1)
    masks = [Candidate(int(r), int(c), rng.random((30, 40)) < 0.6, 0.5) for r, c in rng.integers(0, (66, 120), (9, 2))]
    full = np.stack([mask.paint(SHAPE).ravel() for mask in masks]).astype(np.int64)
    assert (shared_areas(masks) == full @ full.T).all()

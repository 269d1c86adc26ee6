import numpy as np

from matcurate.segmentation.boost.layout import Layout, by_brightness, fill_gaps, paint
from tests.unit.segmentation.boost.boost_samples import box

SHAPE = (40, 60)


class Sides:
    """Says 1 right of column 30, else 0; remembers where it looked."""

    count = 2

    def __init__(self) -> None:
        self.places = np.empty((0, 2))

    def __call__(self, region, places):
        self.places = places
        return (places[:, 1] >= 30).astype(np.int64)


def test_the_smaller_mask_lies_on_top() -> None:
    layout = Layout.of([box(0, 0, 40, 60), box(10, 10, 20, 20)], SHAPE, 24)
    assert layout.masks == 2
    assert np.count_nonzero(layout.region(1).mask) == 100
    assert np.count_nonzero(layout.region(0).mask) == 2300
    assert layout.numbers.tolist() == [0, 1]


def test_deep_unmasked_regions_are_open_and_narrow_ones_gaps() -> None:
    layout = Layout.of([box(0, 0, 40, 20), box(0, 24, 40, 40)], SHAPE, 24)  # 4 and 20 columns are left
    assert (layout.owners[:, 20:24] == -1).all()
    assert (layout.owners[:, 40:] == 2).all()


def test_without_masks_the_smallest_image_is_open() -> None:
    assert (Layout.of([], (2, 3), 60).owners == 0).all()


def test_masks_take_their_winner_and_open_regions_the_nearest_place() -> None:
    layout = Layout.of([box(0, 0, 12, 60)], SHAPE, 24)
    judge = Sides()
    result = paint(layout, np.array([7]), judge, 24)
    assert (result[:12] == 7).all()
    assert (result[12:, :28] == 0).all()
    assert (result[12:, 32:] == 1).all()
    assert (judge.places[:, 0] >= 12).all()


def test_an_open_region_between_the_places_is_looked_at_itself() -> None:
    owners = np.full(SHAPE, -1)
    owners[0, 59] = 0
    result = paint(Layout(owners, 0), np.empty(0, np.int64), Sides(), 24)
    assert result[0, 59] == 1
    assert np.count_nonzero(result == -1) == 40 * 60 - 1


def test_larger_regions_have_more_crops_and_none_less_than_a_third() -> None:
    layout = Layout.of([box(0, 0, 36, 36), box(0, 40, 18, 58), box(30, 45, 33, 48)], SHAPE, 1000)
    counts = {n: len(places) for n, places in layout.crop_places(24, 1000, np.random.default_rng(0)).items()}
    assert counts == {0: 24, 1: 12, 2: 8}  # areas 1296, 324 and 9


def test_open_regions_have_four_crops_in_the_area_of_one() -> None:
    layout = Layout.of([box(0, 0, 40, 20)], SHAPE, 8)  # 40 columns, 1600 pixels, are open
    counts = {n: len(places) for n, places in layout.crop_places(24, 8, np.random.default_rng(0)).items()}
    assert counts == {0: 17, 1: 100}  # 24 / √2, and 4 × 1600 / 64
    everywhere = Layout.of([], SHAPE, 8).crop_places(24, 2, np.random.default_rng(0))  # 2400 are too many
    assert len(everywhere[0]) == 1000


def test_gaps_take_the_nearest_material() -> None:
    row = np.array([[3, -1, -1, -1, -1, 5]])
    assert fill_gaps(row).tolist() == [[3, 3, 3, 5, 5, 5]]


def test_ranks_follow_the_brightness_and_absent_materials_come_last() -> None:
    materials = np.array([[0, 0, 2, 2, -1]])
    assert by_brightness(materials, np.array([[90, 70, 20, 40, 0]]), 3).tolist() == [1, 2, 0]

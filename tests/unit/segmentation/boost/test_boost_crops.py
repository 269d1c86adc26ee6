import numpy as np
import pytest

from matcurate.segmentation.boost.crops import RIM, Region, crop_places, cut, embedded
from tests.unit.segmentation.boost.boost_samples import SHAPE, box

WHOLE = slice(0, SHAPE[0]), slice(0, SHAPE[1])


def region(mask: np.ndarray, window: tuple[slice, slice] = WHOLE) -> Region:
    """Region of a full mask."""
    return Region.of(mask.astype(np.uint8), 1, window)


LEFT = box(0, 0, 96, 80).paint(SHAPE)
EVERYTHING = np.ones(SHAPE, dtype=np.bool_)


def halves() -> np.ndarray:
    """Features of 8 × 8 cells (12, 20, 2): 1 left and 5 right of the middle; and the row of the cell."""
    side = np.where(np.arange(20) < 10, 1.0, 5.0)[None].repeat(12, axis=0)
    return np.stack([side, np.arange(12.0)[:, None].repeat(20, axis=1)], axis=-1).astype(np.float32)


def test_crops_lie_in_their_region() -> None:
    places = crop_places(region(LEFT), 50, np.random.default_rng(0))
    assert places.shape == (50, 2)
    assert LEFT[tuple(places.T)].all()
    assert len(np.unique(places, axis=0)) == 50


def test_a_region_of_few_pixels_gives_its_pixels_again() -> None:
    places = crop_places(region(box(5, 9, 6, 11).paint(SHAPE)), 20, np.random.default_rng(0))
    assert {tuple(place) for place in places.tolist()} == {(5, 9), (5, 10)}


def test_neighbours_lend_a_region_nothing() -> None:
    result = embedded(halves(), region(LEFT), np.array([[40, 79], [10, 70]]), crop=60)
    assert result[:, 0] == pytest.approx(1)


def test_the_mean_is_over_the_crop() -> None:
    result = embedded(halves(), region(EVERYTHING), np.array([[44, 100], [0, 20]]), crop=24)  # 3 × 3 cells
    assert result[0] == pytest.approx((5, 5))
    assert result[1] == pytest.approx((1, 0.5))  # rows 0 and 1; what is beyond the frame does not count


def test_a_crop_over_two_sides_takes_its_share_of_each() -> None:
    result = embedded(halves(), region(EVERYTHING), np.array([[44, 80]]), crop=24)  # columns 9, 10, 11
    assert result[0, 0] == pytest.approx((1 + 5 + 5) / 3)


def test_thin_regions_keep_their_rim() -> None:
    thin = box(40, 0, 40 + 2 * RIM, 160).paint(SHAPE)
    result = embedded(halves(), region(thin), np.array([[41, 2]]), crop=8)
    assert result[0] == pytest.approx((1, 5))


def test_a_crop_beyond_what_is_left_of_its_region_takes_the_mean() -> None:
    far = box(0, 0, 96, 16).paint(SHAPE) | box(0, 150, 4, 154).paint(SHAPE)  # the speck is all rim
    result = embedded(halves(), region(far), np.array([[1, 151]]), crop=8)
    assert result[0, 0] == pytest.approx(1)


@pytest.mark.parametrize("cells", [(12, 20), (7, 11), (96, 160)])
def test_a_region_in_its_window_is_the_same_as_in_the_whole_image(cells: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    features = rng.random((*cells, 3)).astype(np.float32)
    mask = box(30, 61, 71, 99).paint(SHAPE) & ~box(50, 61, 60, 75).paint(SHAPE)
    whole, small = region(mask), region(mask, (slice(30, 71), slice(61, 99)))
    assert small.mask.shape == (41 + 2 * RIM, 38 + 2 * RIM)
    places = crop_places(small, 30, np.random.default_rng(0))
    assert (places == crop_places(whole, 30, np.random.default_rng(0))).all()
    assert mask[tuple(places.T)].all()
    result = embedded(features, small, places, crop=24)
    assert result == pytest.approx(embedded(features, whole, places, crop=24), rel=1e-5)
    assert result.std(axis=0).min() > 0


def test_cells_take_the_share_of_a_region_that_lies_in_them() -> None:
    features = np.arange(3, dtype=np.float32)[None, :, None]  # cells of 4/3 pixels in a line of 4
    middle = region(np.array([[False, True, True, False]]), (slice(0, 1), slice(1, 3)))
    result = embedded(features, middle, np.array([[0, 1], [0, 2]]), crop=4)  # 3 cells, around the first and the second
    assert result[:, 0] == pytest.approx([1 / 1.25, 1])  # it fills a quarter of the outer cells


def test_squares_are_cut_around_their_places_and_mirrored_at_the_frame() -> None:
    grey = np.arange(6 * 9, dtype=np.uint16).reshape(6, 9)
    inner, corner = cut(grey, np.array([[3, 4], [0, 0]]), 4)
    assert (inner == grey[1:5, 2:6]).all()
    assert corner[2:, 2:].tolist() == grey[:2, :2].tolist()
    assert corner[1].tolist() == corner[2].tolist()
    assert inner.dtype == np.uint16

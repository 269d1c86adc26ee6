import cv2
import numpy as np
import pytest
from skimage.measure import label

from matcurate.segmentation.matsam.preset import EdgeRule, MatSamPreset
from matcurate.segmentation.matsam.prompts import grid_points, key_points, presegment, prompt_points

SHAPE = (96, 160)


def preset(**settings: object) -> MatSamPreset:
    return MatSamPreset.model_validate({"name": "points", "prompts": 704} | settings)


def test_a_key_point_is_the_centroid_as_x_y() -> None:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[10:21, 100:141] = True
    assert key_points(mask, 4).tolist() == [[120.0, 15.0]]


def test_the_point_of_a_ring_lies_on_the_ring() -> None:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    radius = np.hypot(rows - 48, columns - 90)
    ring = (radius > 20) & (radius < 31)
    ((x, y),) = key_points(ring, 4)
    assert ring[int(y), int(x)]
    assert 23 < np.hypot(y - 48, x - 90) < 28  # deep inside the ring, not on its rim


def test_every_region_gets_one_point_inside_itself() -> None:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[10:40, 10:14] = mask[36:40, 10:60] = True  # an L, whose centroid is outside
    mask[60:80, 20:50] = True
    mask[90, 3] = True  # too small
    points = key_points(mask, 4)
    assert len(points) == 2
    assert all(mask[int(y), int(x)] for x, y in points)
    assert [34.5, 69.5] in (points + 0.5).tolist() or [34.0, 70.0] in points.tolist()
    assert len(key_points(mask, 1)) == 3
    assert key_points(np.zeros(SHAPE, dtype=bool), 1).shape == (0, 2)


@pytest.mark.parametrize("count", [16, 100, 400])
def test_the_grid_follows_the_number_and_is_twice_as_dense_at_the_edges(count: int) -> None:
    points = grid_points(SHAPE, count)
    assert (points >= 0).all()
    assert (points[:, 0] < SHAPE[1]).all()
    assert (points[:, 1] < SHAPE[0]).all()
    assert len(np.unique(points, axis=0)) == len(points)
    inner = (np.abs(points[:, 0] - 80) < 60) & (np.abs(points[:, 1] - 48) < 36)
    share_of_area = 120 * 72 / (96 * 160)
    density_inside = inner.sum() / share_of_area
    density_outside = (~inner).sum() / (1 - share_of_area)
    assert 0.5 * count < density_inside < 1.7 * count
    assert 2 < density_outside / density_inside < 6  # half the spacing is four times as many, within rounding


def test_the_grid_does_not_swap_x_and_y() -> None:
    assert sorted(map(tuple, grid_points(SHAPE, 50))) == sorted((x, y) for y, x in grid_points(SHAPE[::-1], 50))


def two_phase() -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    truth = np.hypot(rows % 32 - 16, columns % 32 - 16) < 9
    return np.where(truth, 200, 40).astype(np.uint8), truth


def test_two_grey_levels_are_pre_segmented_by_otsu() -> None:
    grey, truth = two_phase()
    assert np.array_equal(presegment(grey, "bright"), truth)
    assert np.array_equal(presegment(grey, "dark"), ~truth)
    assert np.array_equal(presegment(grey, "bright", "otsu"), truth)


def test_fine_edges_are_pre_segmented_by_canny() -> None:
    rng = np.random.default_rng(3)
    field = cv2.GaussianBlur(rng.normal(0, 1, SHAPE), (0, 0), 8)
    grey = 150 + 25 * field / field.std()  # one population of grey levels, whose separability is 2 / pi
    grey[::24, :] = grey[:, ::24] = 70  # a grid of thin dark boundaries
    grey = np.clip(grey, 0, 255).astype(np.uint8)
    inside = presegment(grey, "bright", "auto")
    assert np.array_equal(inside, presegment(grey, "bright", "canny"))
    assert not np.array_equal(inside, presegment(grey, "bright", "otsu"))
    assert not inside[24].any()  # nothing on a boundary
    assert len(key_points(inside, 12)) >= 15


def test_prompts_are_key_points_and_a_grid_as_dense_as_the_objects() -> None:
    grey, truth = two_phase()
    points, count = prompt_points(grey, "bright", preset(smallest=4, grid_per_object=2.0, grid_range=(1, 1000)))
    keys = key_points(truth, 4)
    assert len(keys) == 15
    assert np.array_equal(points[:15], keys)
    assert np.array_equal(points[15:], grid_points(SHAPE, 30))
    few, again = prompt_points(grey, "bright", preset(smallest=4, grid_per_object=2.0, grid_range=(4, 9)))
    assert count == again == 15
    assert np.array_equal(few[15:], grid_points(SHAPE, 9))


@pytest.mark.parametrize("edges", ["uniform", "cut_objects"])
def test_a_grid_makes_room_for_the_key_points(edges: EdgeRule) -> None:
    grey, _ = two_phase()
    wide = prompt_points(grey, "bright", preset(smallest=4, grid_per_object=20, grid_range=(8, 1000), grid_edges=edges))
    narrow, keys = prompt_points(
        grey, "bright", preset(smallest=4, grid_per_object=20, grid_range=(8, 1000), grid_edges=edges, prompts=100)
    )
    assert len(wide[0]) > 300 and 50 < len(narrow) < 120
    assert np.array_equal(narrow[:keys], wide[0][:keys])


def test_of_many_regions_the_largest_get_key_points() -> None:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    large = np.hypot(rows % 48 - 24, columns % 48 - 24) < 12
    small = (rows % 48 < 3) & (columns % 48 < 3)
    grey = np.where(large | small, 180, 70).astype(np.uint8)
    count = int(label(large, connectivity=1).max())
    points, keys = prompt_points(grey, "bright", preset(roi="otsu", smallest=4, grid_range=(8, 8), prompts=count))
    x, y = points[:keys].astype(int).T
    assert keys == count and large[y, x].all()
    assert len(points) > keys  # the least grid is kept

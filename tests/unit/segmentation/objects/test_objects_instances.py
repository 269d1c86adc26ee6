"""Objects out of a foreground, on maps written by hand."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from matcurate.promptable.builtin.maps import ObjectMaps
from matcurate.segmentation.objects.instances import merged, split

SHAPE = (64, 112)
CENTRES = ((32, 36), (32, 66))
RADIUS = 16


def pair() -> tuple[np.ndarray, np.ndarray]:
    """Two discs that overlap by two columns, and how deep their pixels lie in the nearer one."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    depths = [1 - np.hypot(rows - y, columns - x) / RADIUS for y, x in CENTRES]
    return np.maximum(*depths) > 0, np.clip(np.maximum(*depths), 0, 1)


def maps_of(foreground: np.ndarray, distance: np.ndarray, contact: np.ndarray) -> ObjectMaps:
    none = np.zeros(SHAPE)
    return ObjectMaps(*(values.astype(np.float16) for values in (foreground, contact, none, distance)))


def line(chance: float, rows: slice = slice(None)) -> np.ndarray:
    """Contact three columns wide where the two discs meet."""
    contact = np.zeros(SHAPE)
    contact[rows, 50:53] = chance
    return contact


def test_touching_discs_are_two_where_the_network_sees_a_contact() -> None:
    foreground, distance = pair()
    objects = split(foreground, maps_of(foreground, distance, line(0.9)))
    assert objects.dtype == np.uint32 and objects.max() == 2
    assert np.array_equal(objects > 0, foreground)
    left, right = (objects[place] for place in CENTRES)
    assert left != right
    columns = np.indices(SHAPE)[1]
    for side, number in ((columns < 49, left), (columns > 53, right)):
        assert (objects[foreground & side] == number).all()


@pytest.mark.parametrize(
    "contact",
    [line(0.0), line(0.2), line(0.9, slice(31, 32))],
    ids=["none", "unlikely", "at one pixel of the border"],
)
def test_without_a_contact_they_are_one(contact: np.ndarray) -> None:
    foreground, distance = pair()
    objects = split(foreground, maps_of(foreground, distance, contact))
    assert np.array_equal(objects, foreground)


def test_a_contact_within_one_disc_splits_nothing() -> None:
    """One middle, however sure the contact across it."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    foreground = np.hypot(rows - 32, columns - 51) < RADIUS
    distance = np.clip(1 - np.hypot(rows - 32, columns - 51) / RADIUS, 0, 1)
    contact = np.where(np.abs(rows - 20) < 2, 0.9, 0.0)
    objects = split(foreground, maps_of(foreground, distance, contact * (columns < 45)))
    assert objects.max() == 1


def test_separate_pieces_are_objects_and_small_ones_are_left_out() -> None:
    foreground = np.zeros(SHAPE, dtype=bool)
    foreground[5:15, 5:15] = foreground[5:15, 30:50] = True
    foreground[40, 20:23] = foreground[50, 60:64] = True  # three pixels, and four
    depth = distance_transform_edt(foreground) / 5
    maps = maps_of(foreground, np.clip(depth, 0, 1), np.zeros(SHAPE))
    objects = split(foreground, maps)
    assert sorted(np.bincount(objects.ravel())[1:].tolist()) == [4, 100, 200]
    assert not objects[40, 20:23].any()
    assert split(foreground, maps, smallest=150).max() == 1
    assert not split(np.zeros(SHAPE, dtype=bool), maps).any()


def test_pieces_that_meet_at_a_corner_are_two() -> None:
    foreground = np.zeros(SHAPE, dtype=bool)
    foreground[5:15, 5:15] = foreground[15:25, 15:25] = True
    assert split(foreground, maps_of(foreground, foreground * 0.5, np.zeros(SHAPE))).max() == 2


def test_everything_is_one_object() -> None:
    everything = np.ones(SHAPE, dtype=bool)
    assert (split(everything, maps_of(everything, everything * 1.0, np.zeros(SHAPE))) == 1).all()


def joined(parts: np.ndarray, strength: np.ndarray, least: float) -> list[list[int]]:
    """What :func:`merged` gives, numbered in the order of reading."""
    ids = merged(parts, strength, least)
    assert ids.dtype == np.uint32 and set(np.unique(ids)) - {0} == set(range(1, int(ids.max()) + 1))
    order = [number for number in dict.fromkeys(ids.ravel().tolist()) if number]
    return [[order.index(number) + 1 if number else 0 for number in row] for row in ids.tolist()]


def f32(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def test_parts_are_joined_over_weak_borders() -> None:
    parts = np.array([[1, 1, 2, 2, 3, 3]] * 3)
    strength = f32(*[[0, 0.1, 0.1, 0, 0.9, 0]] * 3)
    assert joined(parts, strength, 0.35) == [[1, 1, 1, 1, 2, 2]] * 3
    assert joined(parts, strength, 0.05) == [[1, 1, 2, 2, 3, 3]] * 3
    assert joined(parts, strength, 0.95) == [[1] * 6] * 3


def test_the_strength_of_a_border_is_its_mean_over_the_whole_length() -> None:
    # 1 and 2 are joined first (0.1); the border of both with 3 is then (0.2 + 3 * 0.6) / 4 = 0.5 strong.
    parts = np.array([[1, 3], [2, 3], [2, 3], [2, 3]])
    strength = f32([0.1, 0.2], [0.1, 0.6], [0.1, 0.6], [0.1, 0.6])
    assert joined(parts, strength, 0.35) == [[1, 2]] * 4
    assert joined(parts, strength, 0.45) == [[1, 2]] * 4
    assert joined(parts, strength, 0.55) == [[1, 1]] * 4


def test_what_belongs_to_no_part_is_joined_with_none() -> None:
    parts = np.array([[1, 1, 0, 2, 3], [1, 1, 0, 2, 3]])
    strength = np.zeros((2, 5), dtype=np.float32)
    assert joined(parts, strength, 0.35) == [[1, 1, 0, 2, 2]] * 2
    apart = np.array([[0, 1, 0], [0, 0, 2]])
    assert joined(apart, strength[:, :3], 0.35) == apart.tolist()


def test_one_part_stays_one() -> None:
    assert joined(np.full((3, 4), 5), np.zeros((3, 4), dtype=np.float32), 0.35) == [[1] * 4] * 3

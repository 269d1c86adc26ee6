"""Clicks that correct a mask, on maps written by hand: two touching squares of 24 pixels on a ground of 48 x 80."""

from functools import partial

import numpy as np
import pytest

from matcurate.promptable.builtin.regions import MEASURES, regions_of
from matcurate.promptable.refining import refined
from tests.unit.small_objects import iou, two_squares

WIDTH = 80


def at(x: int, y: int) -> int:
    return y * WIDTH + x


@pytest.fixture
def squares():
    maps, left, right = two_squares()
    regions = regions_of(maps)
    score = regions.measured[:, MEASURES.index("foreground")].astype(float)
    return partial(refined, hierarchy=regions.hierarchy, score=score), left, right


def test_a_click_outside_adds_the_object_it_lies_in(squares):
    correct, left, right = squares
    mask = correct(left, points=[(at(28, 24), True), (at(52, 24), True)])
    assert iou(mask, left | right) > 0.9 and mask[left].all()


def test_a_click_inside_that_does_not_belong_removes_the_object_it_lies_in(squares):
    correct, left, right = squares
    mask = correct(left | right, points=[(at(28, 24), True), (at(52, 24), False)])
    assert iou(mask, left) > 0.9 and not mask[24, 52]


def test_a_click_that_the_mask_agrees_with_changes_nothing(squares):
    correct, left, _ = squares
    assert np.array_equal(correct(left, points=[(at(28, 24), True), (at(70, 5), False)]), left)


def test_a_click_near_the_border_changes_no_more_than_its_surroundings(squares):
    correct, left, _ = squares
    row, column = np.argwhere(left)[0]
    mask = correct(left, points=[(at(28, 24), True), (at(int(column) + 2, int(row) + 2), False)])
    assert not mask[row + 2, column + 2] and 0 < (left & ~mask).sum() < 150


def test_every_click_holds_after_all_of_them(squares):
    correct, left, right = squares
    rng = np.random.default_rng(0)
    for _ in range(20):
        clicks = [(at(28, 24), True)]
        places, kinds = rng.choice(48 * 80, 6, replace=False), rng.integers(0, 2, 6)
        clicks += [(int(pixel), bool(kind)) for pixel, kind in zip(places, kinds, strict=True)]
        told = dict(clicks)
        mask = correct(left | right, points=clicks).ravel()
        assert all(mask[pixel] == belongs for pixel, belongs in told.items())

"""The plain rule behind clicks and boxes, and where it stands in for the backbone."""

from __future__ import annotations

import numpy as np
import pytest

from matcurate.promptable.clicks import ClickedImage, PlainBackbone, PlainPredictor
from matcurate.promptable.protocol import PointLabels
from matcurate.types import Candidate, FloatArray

SHAPE = (30, 50)


def two_bars() -> np.ndarray:
    """Two bright bars on a dark ground: rows 5 to 9 and rows 15 to 24, columns 10 to 39."""
    grey = np.full(SHAPE, 40, dtype=np.uint8)
    grey[5:10, 10:40] = 200
    grey[15:25, 10:40] = 200
    return grey


def test_a_click_gives_the_connected_region_on_its_side_of_the_threshold() -> None:
    predictor = PlainPredictor(two_bars())
    points = np.array([[[12.0, 6.0]], [[12.0, 20.0]], [[0.0, 0.0]]])
    upper, lower, ground = predictor.predict(points, np.ones((3, 1), dtype=np.int64))
    assert upper[0].box == (5, 10, 10, 40) and upper[0].mask.all()
    assert lower[0].box == (15, 10, 25, 40)
    assert ground[0].area == 30 * 50 - 5 * 30 - 10 * 30


def test_points_join_regions_and_background_points_take_away() -> None:
    predictor = PlainPredictor(two_bars())
    both = predictor.predict(np.array([[[12.0, 6.0], [12.0, 20.0]]]), np.array([[1, 1]]))[0][0]
    assert both.area == 5 * 30 + 10 * 30
    one = predictor.predict(np.array([[[12.0, 6.0], [12.0, 20.0], [30.0, 20.0]]]), np.array([[1, -1, 0]]))[0][0]
    assert one.box == (5, 10, 10, 40)


def test_a_region_with_points_of_both_kinds_is_divided_half_way() -> None:
    (answer,) = PlainPredictor(two_bars()).predict(np.array([[[14.0, 20.0], [35.0, 20.0]]]), np.array([[1, 0]]))
    assert answer[0].box == (15, 10, 25, 25)  # x = 24 is nearer to 14, x = 25 to 35
    assert PlainPredictor(two_bars()).predict(np.array([[[14.0, 20.0]]]), np.array([[0]])) == [()]


def test_a_box_gives_what_differs_from_its_rim() -> None:
    answers = PlainPredictor(two_bars()).predict_boxes(np.array([[5.0, 2.0, 45.0, 12.0], [12.0, 16.0, 20.0, 20.0]]))
    assert answers[0][0].box == (5, 10, 10, 40) and answers[0][0].mask.all()
    assert answers[1] == ()  # nothing but one grey level


class SeesNothing:
    shape = SHAPE

    def predict(self, points: FloatArray, labels: PointLabels) -> list[tuple[Candidate, ...]]:
        return [()] * len(points)

    def predict_boxes(self, boxes: FloatArray) -> list[tuple[Candidate, ...]]:
        return [()] * len(boxes)


def test_the_plain_rule_answers_where_the_backbone_does_not() -> None:
    plain = PlainBackbone().open(two_bars())
    point, box = np.array([[12.0, 6.0]]), np.array([5.0, 2.0, 45.0, 12.0])
    assert not ClickedImage(SeesNothing(), None).clicked(point, np.array([1])).any()
    assert ClickedImage(SeesNothing(), plain).clicked(point, np.array([1])).sum() == 150
    assert ClickedImage(SeesNothing(), plain).boxed(box).sum() == 150
    whole = Candidate(0, 0, np.ones((2, 3), dtype=np.bool_), 0.0)

    class SeesACorner(SeesNothing):
        def predict(self, points: FloatArray, labels: PointLabels) -> list[tuple[Candidate, ...]]:
            return [(whole,)] * len(points)

    assert ClickedImage(SeesACorner(), plain).clicked(point, np.array([1])).sum() == 6


@pytest.mark.parametrize("value", [0, 255])
def test_a_constant_image_is_one_region(value: int) -> None:
    predictor = PlainPredictor(np.full(SHAPE, value, dtype=np.uint8))
    ((answer,),) = predictor.predict(np.array([[[1.0, 1.0]]]), np.array([[1]]))
    assert answer.area == 30 * 50

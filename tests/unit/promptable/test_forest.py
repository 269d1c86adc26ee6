"""Answers of several hierarchies together, and answers to boxes, worked out by hand."""

import numpy as np
import pytest

from matcurate.promptable.forest import Forest
from matcurate.promptable.hierarchy import build
from matcurate.promptable.nested import NestedRegions, box_iou
from matcurate.promptable.prompts import checked_boxes
from matcurate.types import Candidate

# A pair of peaks on a hill, and a hill of its own; 5 x 12 pixels.
LEVELS = np.array(
    [
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 0],
        [0, 1, 2, 1, 1, 2, 1, 0, 0, 1, 1, 0],
        [0, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 0],
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ],
    dtype=np.int32,
)
HILL, OTHER, PEAK = (1, 1, 4, 7), (1, 9, 4, 11), (2, 2, 3, 3)


def member(scores: dict[tuple[int, ...], float], **more) -> NestedRegions:
    """The hierarchy of :data:`LEVELS` with scores by bounding box."""
    tree = build(LEVELS, 1)
    score = np.array([scores.get(tuple(box), 0.0) for box in tree.boxes.T.tolist()])
    return NestedRegions(tree, score, float, 0.1, 0.7, **more)


def boxes(answer: tuple[Candidate, ...]) -> list[tuple[int, ...]]:
    return [candidate.box for candidate in answer]


def at(x: int, y: int) -> tuple[np.ndarray, np.ndarray]:
    return np.array([[y * 12 + x]]), np.array([[1]])


def test_bounding_boxes() -> None:
    tree = build(LEVELS, 1)
    assert sorted(map(tuple, tree.boxes.T.tolist())) == sorted([(0, 0, 5, 12), HILL, OTHER, PEAK, (2, 5, 3, 6)])
    height, width = tree.extent()
    assert height[-1] == 5 and width[-1] == 12


def test_the_best_of_all_hierarchies_answer() -> None:
    one, other = member({HILL: 0.6, PEAK: 0.3}), member({PEAK: 0.8})
    (found,) = Forest((one, other), nesting=0.7).answers(*at(2, 2))
    assert boxes(found) == [PEAK, HILL]
    assert [candidate.quality for candidate in found] == [0.8, 0.6]  # the same region, better judged
    assert Forest((one, other), nesting=0.7).answers(*at(0, 0)) == [()]


def test_three_answers_at_most() -> None:
    members = [member({HILL: 0.9}), member({PEAK: 0.5}), member({(0, 0, 5, 12): 0.3})]
    strips = LEVELS.copy()
    strips[3] = 0
    lower = build(strips, 1)
    members.append(NestedRegions(lower, np.where(lower.area == 12, 0.7, 0.0), float, 0.1, 0.7))
    (found,) = Forest(members, nesting=0.7).answers(*at(2, 2))
    assert [candidate.quality for candidate in found] == [0.5, 0.7, 0.9]  # smallest first, the weakest left out
    (found,) = Forest(members, nesting=0.6).answers(*at(2, 2))  # 12 of 18 pixels overlap too much
    assert [candidate.quality for candidate in found] == [0.5, 0.9]  # and the whole image is never an answer


def test_a_box_is_answered_by_the_region_that_fits() -> None:
    forest = Forest((member({HILL: 0.5, PEAK: 0.9, OTHER: 0.5}),), nesting=0.7)
    hill, other, nothing = forest.fitting(np.array([HILL, (1, 8, 4, 11), (0, 7, 1, 9)], dtype=np.float64))
    assert boxes(hill) == [HILL] and hill[0].quality == pytest.approx(0.5**0.5)
    assert boxes(other) == [OTHER] and other[0].quality == pytest.approx((0.5 * (6 / 9) ** 4) ** 0.5)
    assert nothing == ()


def test_what_judges_boxes_may_be_given() -> None:
    asked = []

    def judge(nodes: np.ndarray, fit: np.ndarray) -> np.ndarray:
        asked.append(sorted(fit.tolist()))
        return np.full(len(nodes), 0.25)

    scores = {HILL: 0.5, PEAK: 0.9, (2, 5, 3, 6): 0.9, OTHER: 0.05}
    (found,) = Forest((member(scores, boxed=judge),), nesting=0.7).fitting(np.array([(1.0, 1.0, 4.0, 4.0)]))
    assert asked == [[0.5]]  # the hill: 9 of 18 pixels; a peak fits by 1/9, and the other hill has no score
    assert boxes(found) == [HILL] and found[0].quality == 0.25


def test_regions_in_one_box_need_not_be_nested() -> None:
    scores = {PEAK: 0.9, (2, 5, 3, 6): 0.8, HILL: 0.4}
    one = member(scores, boxed=lambda nodes, fit: np.linspace(0.5, 0.6, len(nodes)))
    nodes, values = one.fitting(np.array([(2.0, 2.0, 3.0, 4.0)]))
    assert (nodes[0] >= 0).sum() == 1 and values[0, 0] > 0  # only a peak is near enough
    assert one.overlap(0, 1) == 0  # two peaks
    hill = int(np.flatnonzero((one.hierarchy.boxes.T == HILL).all(axis=1))[0])
    assert one.overlap(0, hill) == one.overlap(hill, 0) == 1 / 18


def test_boxes_overlap() -> None:
    corners = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [5, 5, 6, 6]], dtype=np.float64).T
    np.testing.assert_allclose(box_iou(corners, np.array([0.0, 0.0, 2.0, 2.0])), [1, 1 / 7, 0])


def test_boxes_are_cut_at_the_edge_and_checked() -> None:
    assert checked_boxes(np.array([[-3, 2, 50, 4.5]]), (5, 12)).tolist() == [[2, 0, 4.5, 12]]
    with pytest.raises(ValueError, match=r"boxes must be \(B, 4\), got \(4,\)"):
        checked_boxes(np.zeros(4), (5, 12))
    for box in ([3, 1, 3, 4], [12, 0, 14, 3], [4, 3, 2, 4], [0, 0, np.nan, 3]):
        with pytest.raises(ValueError, match="holds no pixel of the image of 12 x 5 pixels"):
            checked_boxes(np.array([[0, 0, 5, 5], box], dtype=np.float64), (5, 12))

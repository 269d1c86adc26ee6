"""Frugal decoding against a predictor whose masks are written down."""

import numpy as np
import pytest

from matcurate.promptable.drafts import Drafts
from matcurate.segmentation.matsam.frugal import decode_frugally
from matcurate.types import Candidate

SHAPE = (96, 160)
EVERY = 4
"""Pixels between two samples of a draft."""

Written = dict[tuple[float, float], list[tuple[Candidate, float]]]


def box(top: int, left: int, height: int, width: int, quality: float) -> Candidate:
    return Candidate(top, left, np.ones((height, width), dtype=bool), quality)


class Answered:
    def __init__(self, answers: list[list[tuple[Candidate, float]]], made: list[Candidate]) -> None:
        self._all = [pair for answer in answers for pair in answer]
        self._made = made
        full = [c.paint(SHAPE)[::EVERY, ::EVERY] for c, _ in self._all]
        self.drafts = Drafts(
            masks=np.array(full, dtype=bool).reshape(len(full), SHAPE[0] // EVERY, SHAPE[1] // EVERY),
            prompts=np.repeat(np.arange(len(answers)), [len(answer) for answer in answers]),
            quality=np.array([c.quality for c, _ in self._all]),
            stability=np.array([stability for _, stability in self._all]),
        )

    def enlarge(self, chosen: np.ndarray) -> list[Candidate | None]:
        result = [self._all[index][0] if self._all[index][0].area > 1 else None for index in chosen.tolist()]
        self._made += [c for c in result if c is not None]
        return result


class Predictor:
    """Answers each point with what is written down for it: candidates and their stability."""

    shape = SHAPE

    def __init__(self, written: Written) -> None:
        self._written = written
        self.asked: list[list[tuple[float, float]]] = []
        self.made: list[Candidate] = []

    def predict(self, points: np.ndarray, labels: np.ndarray) -> list[tuple[Candidate, ...]]:
        raise AssertionError("a predictor that drafts is not asked for whole masks")

    def draft(self, points: np.ndarray, labels: np.ndarray) -> Answered:
        assert points.shape[1:] == (1, 2) and (labels == 1).all()
        self.asked.append([(float(x), float(y)) for x, y in points[:, 0]])
        return Answered([self._written[place] for place in self.asked[-1]], self.made)


def places(*points: tuple[float, float]) -> np.ndarray:
    return np.array(points, dtype=float).reshape(-1, 2)


A, B, C = (10.0, 10.0), (80.0, 10.0), (20.0, 12.0)
GREAT, SAME, WORSE, APART = (
    box(0, 0, 40, 60, 0.9),
    box(0, 0, 40, 64, 0.8),
    box(0, 0, 44, 60, 0.7),
    box(48, 80, 40, 60, 0.1),
)


def test_of_drafts_that_repeat_each_other_the_best_is_made() -> None:
    predictor = Predictor({A: [(SAME, 0.5), (GREAT, 0.5)], B: [(WORSE, 0.5), (APART, 0.5)]})
    result = decode_frugally(predictor, places(A, B), batch=2)
    assert result.candidates == (GREAT, APART)
    assert predictor.made == [GREAT, APART]
    assert (result.decoded, result.explained, result.drafted, result.made) == (2, 0, 4, 2)


@pytest.mark.parametrize("order", [(SAME, GREAT), (GREAT, SAME)])
def test_a_better_one_of_a_later_batch_takes_the_place(order: tuple[Candidate, Candidate]) -> None:
    predictor = Predictor({A: [(order[0], 0.5)], B: [(order[1], 0.5), (APART, 0.5)]})
    result = decode_frugally(predictor, places(A, B), always=2, batch=1)
    assert set(result.candidates) == {GREAT, APART}
    assert result.made == (3 if order[0] is SAME else 2)


def test_a_beaten_mask_beats_no_more() -> None:
    first, second, third = box(0, 0, 40, 40, 0.5), box(0, 4, 40, 40, 0.6), box(0, 0, 40, 36, 0.4)
    predictor = Predictor({A: [(first, 0.5)], B: [(second, 0.5)], C: [(third, 0.5)]})
    result = decode_frugally(predictor, places(A, B, C), always=3, batch=1, overlap=0.8)
    assert result.candidates == (second, third)  # 36 of 40 columns against the first, 32 of 44 against the second


def test_how_much_may_overlap_is_told() -> None:
    # 64 columns against 60 of the same 40 rows: 60 / 64 = 0.9375 in samples too.
    written = {A: [(SAME, 0.5), (GREAT, 0.5)]}
    assert len(decode_frugally(Predictor(written), places(A), overlap=0.93).candidates) == 1
    assert len(decode_frugally(Predictor(written), places(A), overlap=0.94).candidates) == 2


def test_small_masks_are_always_made_and_empty_ones_left_out() -> None:
    small, again, nothing = box(8, 8, 12, 12, 0.5), box(8, 8, 12, 12, 0.6), box(9, 9, 1, 1, 0.9)  # 9 samples, and none
    predictor = Predictor({A: [(small, 0.5), (again, 0.5), (nothing, 0.5)]})
    result = decode_frugally(predictor, places(A))
    assert result.candidates == (small, again) and result.made == 3


def test_a_good_mask_explains_the_points_in_it_but_not_those_always_asked() -> None:
    good, unsure, shaky, wide = box(0, 0, 20, 30, 0.9), box(0, 0, 20, 30, 0.87), box(0, 0, 20, 30, 0.9), GREAT
    for mask, stability, explained in ((good, 0.95, 1), (unsure, 0.95, 0), (shaky, 0.94, 0), (wide, 0.99, 0)):
        written: Written = {A: [(mask, stability)], B: [(APART, 0.1)], C: [(APART, 0.1)]}
        result = decode_frugally(Predictor(written), places(A, B, C), always=1, batch=1)
        assert (result.explained, result.decoded) == (explained, 3 - explained)
    predictor = Predictor({A: [(good, 0.99)], C: [(APART, 0.1)]})
    assert decode_frugally(predictor, places(A, C), always=2, batch=1).decoded == 2


def test_neighbours_are_asked_in_different_batches() -> None:
    points = [(float(x), 5.0) for x in range(0, 90, 10)]
    predictor = Predictor({point: [(APART, 0.1)] for point in points})
    reports: list[tuple[int, int]] = []
    decode_frugally(
        predictor,
        places(*points),
        always=2,
        batch=3,
        progress=lambda done, total, note="": reports.append((done, total)),
    )
    assert [[x for x, _ in part] for part in predictor.asked] == [[0, 10], [20, 50, 80], [30, 60], [40, 70]]
    assert reports == [(2, 9), (5, 9), (7, 9), (9, 9)]


def test_nothing_asked_nothing_found() -> None:
    result = decode_frugally(Predictor({}), places())
    assert (result.candidates, result.decoded, result.made) == ((), 0, 0)
    good = box(0, 0, 20, 30, 0.9)
    predictor = Predictor({A: [(good, 0.99)]})
    result = decode_frugally(predictor, places(A, C), always=1, batch=1)
    assert (result.candidates, result.explained) == ((good,), 1)

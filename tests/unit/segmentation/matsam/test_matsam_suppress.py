"""Hard and soft suppression against plain references on full masks."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcurate.segmentation.matsam import suppress as module
from matcurate.segmentation.matsam.suppress import STEPS, soft_suppress, suppress
from matcurate.types import Candidate

SHAPE = (48, 80)


def box(top: int, left: int, height: int, width: int, quality: float = 0.5) -> Candidate:
    return Candidate(top, left, np.ones((height, width), dtype=bool), quality)


@st.composite
def ragged(draw: st.DrawFn) -> Candidate:
    """A mask with holes and several pieces that touches every side of its box."""
    height, width = draw(st.integers(1, 20)), draw(st.integers(1, 30))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    mask = rng.random((height, width)) < draw(st.sampled_from([0.3, 0.9, 1.0]))
    mask[0, rng.integers(width)] = mask[-1, rng.integers(width)] = True
    mask[rng.integers(height), 0] = mask[rng.integers(height), -1] = True
    top, left = draw(st.integers(0, SHAPE[0] - height)), draw(st.integers(0, SHAPE[1] - width))
    return Candidate(top, left, mask, draw(st.floats(0, 1)))


def iou_matrix(candidates: list[Candidate]) -> np.ndarray:
    full = np.array([c.paint(SHAPE).ravel() for c in candidates], dtype=float).reshape(
        len(candidates), SHAPE[0] * SHAPE[1]
    )
    shared = full @ full.T
    areas = full.sum(axis=1)
    return shared / (areas[:, None] + areas - shared)


def plain_suppress(candidates: list[Candidate], overlap: float) -> list[Candidate]:
    left = sorted(candidates, key=lambda c: (-round(c.quality * STEPS), -c.area, c.top, c.left))
    taken = []
    while left:
        best, *left = left
        taken.append(best)
        left = [c for c in left if iou_matrix([best, c])[0, 1] <= overlap]
    return taken


def plain_soft(candidates: list[Candidate], sigma: float, floor: float, regions: list[int]) -> list[tuple[int, float]]:
    """The algorithm of Bodla et al. as the paper's figure 2 has it."""
    iou = iou_matrix(candidates)
    scores = {i: c.quality for i, c in enumerate(candidates) if c.quality >= floor}
    taken = []
    while scores:
        best = max(scores, key=lambda i: (scores[i], -i))
        taken.append((best, scores.pop(best)))
        for i in list(scores):
            if regions[i] != regions[best]:
                scores[i] *= math.exp(-(iou[best, i] ** 2) / sigma)
                if scores[i] < floor:
                    del scores[i]
    return taken


@settings(max_examples=60, deadline=None)
@given(st.lists(ragged(), max_size=20), st.sampled_from([0.05, 0.3, 0.7, 1.0]))
def test_suppression_is_the_plain_one(candidates: list[Candidate], overlap: float) -> None:
    assert [id(c) for c in suppress(candidates, overlap)] == [id(c) for c in plain_suppress(candidates, overlap)]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(ragged(), st.integers(0, 2)), max_size=20),
    st.sampled_from([0.1, 0.5]),
    st.sampled_from([0.0, 0.05, 0.4]),
)
def test_soft_suppression_is_the_plain_one(given_: list[tuple[Candidate, int]], sigma: float, floor: float) -> None:
    candidates, regions = [c for c, _ in given_], [r for _, r in given_]
    for chosen, apart in ((None, list(range(len(candidates)))), (regions, regions)):
        result = soft_suppress(candidates, sigma=sigma, floor=floor, regions=chosen)
        expected = plain_soft(candidates, sigma, floor, apart)
        assert [(c.box, c.area) for c in result] == [(candidates[i].box, candidates[i].area) for i, _ in expected]
        assert [c.quality for c in result] == pytest.approx([score for _, score in expected], rel=1e-9)
        assert all(f.mask is candidates[i].mask for f, (i, _) in zip(result, expected, strict=True))


def test_many_candidates_are_compared_in_several_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    candidates = [
        box(*rng.integers(0, 30, 2), *rng.integers(1, 18, 2), quality) for quality in rng.uniform(0, 1, 60).tolist()
    ]
    whole = suppress(candidates, 0.2), soft_suppress(candidates)
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 7)
    parts = suppress(candidates, 0.2), soft_suppress(candidates)
    for one, other in zip(whole, parts, strict=True):
        assert 10 < len(one) < 60
        assert [(c.box, c.quality) for c in one] == [(c.box, c.quality) for c in other]


def test_the_penalty_by_hand() -> None:
    # 10 x 10 moved by 5: 50 shared of 150, IoU 1/3; the third is alone.
    first, moved, alone = box(0, 0, 10, 10, 0.9), box(0, 5, 10, 10, 0.8), box(20, 40, 5, 5, 0.3)
    result = soft_suppress([alone, moved, first], sigma=0.5, floor=0.05)
    assert [c.box for c in result] == [first.box, moved.box, alone.box]
    assert [c.quality for c in result] == pytest.approx([0.9, 0.8 * math.exp(-(1 / 9) / 0.5), 0.3])


def test_a_duplicate_falls_behind_and_below_the_floor() -> None:
    # IoU 1: the factor is exp(-2) = 0.135.
    first, again, worse = box(0, 0, 10, 10, 0.9), box(0, 0, 10, 10, 0.88), box(20, 40, 5, 5, 0.2)
    assert [c.quality for c in soft_suppress([first, again, worse])] == pytest.approx([0.9, 0.2, 0.88 * math.exp(-2)])
    assert len(soft_suppress([first, again, worse], floor=0.15)) == 2
    assert len(soft_suppress([first, again, worse], floor=0.15, regions=[0, 0, 1])) == 3


def test_nothing_and_nonsense() -> None:
    assert soft_suppress([]) == suppress([], 0.5) == ()
    assert soft_suppress([box(0, 0, 3, 3, 0.01)]) == ()
    with pytest.raises(ValueError, match="sigma must be positive, got 0"):
        soft_suppress([], sigma=0)
    with pytest.raises(ValueError, match="one region for each of 1 candidates, got 2"):
        soft_suppress([box(0, 0, 3, 3)], regions=[0, 1])


def test_boxes_larger_than_32_bits_of_pixels() -> None:
    huge = Candidate(0, 0, np.broadcast_to(np.True_, (1, 1)), 0.9)
    wide = [Candidate(0, 0, np.broadcast_to(np.True_, (66_000, 66_000)), quality) for quality in (0.9, 0.5)]
    rivals = dict(module._neighbours([*wide, huge], np.array([66_000**2, 66_000**2, 1])))
    assert [r.tolist() for r in rivals.values()] == [[1, 2], [0, 2], [0, 1]]

"""Evidence, suppression, painting."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcurate.segmentation.matsam.evidence import class_gap, rescored
from matcurate.segmentation.matsam.postprocess import area_weighted_quality, paint
from matcurate.segmentation.matsam.suppress import admissible, suppress
from matcurate.types import Candidate, intersection

SHAPE = (96, 160)


def box(top: int, left: int, height: int, width: int, quality: float = 0.5) -> Candidate:
    return Candidate(top, left, np.ones((height, width), dtype=bool), quality)


def test_intersection_by_hand() -> None:
    assert intersection(box(0, 0, 10, 20), box(5, 15, 10, 20)) == 5 * 5
    assert intersection(box(0, 0, 10, 20), box(10, 0, 10, 20)) == 0
    checkered = np.indices((10, 20)).sum(axis=0) % 2 == 0
    assert intersection(Candidate(0, 0, checkered, 0.5), box(0, 0, 10, 3)) == 15


def test_admissible_keeps_the_best_of_equal_regions_within_bounds() -> None:
    kept = admissible(
        [box(0, 0, 4, 6, 0.3), box(0, 0, 4, 6, 0.8), box(0, 0, 6, 4, 0.9), box(9, 9, 1, 2, 0.9), box(0, 9, 4, 6, 0.1)],
        quality=0.2,
        smallest=3,
        largest=30,
    )
    assert sorted((c.box, c.quality) for c in kept) == [((0, 0, 4, 6), 0.8), ((0, 0, 6, 4), 0.9)]
    assert admissible([box(0, 0, 10, 10)], quality=0, smallest=1, largest=99) == ()


def test_suppression_keeps_the_better_of_two_that_overlap_too_much() -> None:
    best, shifted, apart = box(0, 0, 10, 10, 0.9), box(0, 2, 10, 10, 0.8), box(30, 30, 5, 5, 0.1)
    # 80 shared of 120 together: 2/3
    assert suppress([apart, shifted, best], 0.66) == (best, apart)
    assert suppress([apart, shifted, best], 0.67) == (best, shifted, apart)
    assert suppress([], 0.5) == ()


def test_of_equally_good_masks_the_larger_stays() -> None:
    small, large = box(0, 0, 10, 10, 0.91), box(0, 0, 10, 12, 0.90)
    assert suppress([small, large], 0.5) == (large,)
    better = box(0, 0, 10, 10, 0.97)
    assert suppress([better, large], 0.5) == (better,)


def test_suppressed_masks_do_not_suppress() -> None:
    a, b, c = box(0, 0, 10, 10, 0.9), box(0, 4, 10, 10, 0.8), box(0, 8, 10, 10, 0.7)
    assert suppress([a, b, c], 0.3) == (a, c)


boxes = st.builds(
    box,
    st.integers(0, 40),
    st.integers(0, 80),
    st.integers(1, 30),
    st.integers(1, 30),
    st.floats(0, 1, allow_nan=False),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(boxes, max_size=25), st.sampled_from([0.1037, 0.3011, 0.7013]))  # no IoU of such boxes is equal to one
def test_suppression_against_full_masks(candidates: list[Candidate], overlap: float) -> None:
    kept = suppress(candidates, overlap)
    full = [c.paint(SHAPE) for c in kept]
    ious = [np.count_nonzero(a & b) / np.count_nonzero(a | b) for i, a in enumerate(full) for b in full[i + 1 :]]
    assert all(iou <= overlap for iou in ious)
    ids = {id(c) for c in kept}
    for gone in (c for c in candidates if id(c) not in ids):
        mask = gone.paint(SHAPE)
        assert any(
            k.quality >= gone.quality - 0.05 and np.count_nonzero(mask & f) / np.count_nonzero(mask | f) > overlap
            for k, f in zip(kept, full, strict=True)
        )


def step_image() -> np.ndarray:
    grey = np.full(SHAPE, 50, dtype=np.uint8)
    grey[20:60, 30:110] = 150
    return grey


def test_contrast_is_largest_on_the_edge_and_has_a_direction() -> None:
    exact, shrunk, grown = box(20, 30, 40, 80), box(23, 33, 34, 74), box(17, 27, 46, 86)
    assert [c.quality for c in rescored([exact, shrunk, grown], step_image(), "bright")] == [1.0, 0.0, 0.0]
    assert [c.quality for c in rescored([exact], step_image(), "dark")] == [0.0]
    inverted = (200 - step_image()).astype(np.uint8)
    assert rescored([exact], inverted, "dark")[0].quality == 1.0


def test_contrast_of_half_an_edge_by_hand() -> None:
    # A 10 x 10 box whose upper half is bright: rim of 36 pixels, ring of 40 (a cross has no corners).
    grey = np.full(SHAPE, 50, dtype=np.uint8)
    grey[:50] = 150
    rim = (18 * 150 + 18 * 50) / 36
    ring = (20 * 150 + 20 * 50) / 40
    assert rim == ring
    assert rescored([box(45, 60, 10, 10)], grey, "bright")[0].quality == 0.0


def test_contrast_at_the_corner_of_the_image() -> None:
    grey = np.full(SHAPE, 50, dtype=np.uint8)
    grey[:30, :40] = 150
    assert rescored([box(0, 0, 30, 40)], grey, "bright")[0].quality == 1.0
    assert rescored([box(0, 0, *SHAPE)], grey, "bright")[0].quality == 0.0


def test_no_contrast_in_a_constant_image() -> None:
    flat = np.full(SHAPE, 9, dtype=np.uint8)
    assert class_gap(flat) == 0.0
    assert rescored([box(1, 1, 5, 5, 0.9)], flat, "bright")[0].quality == 0.0
    assert class_gap(step_image()) == 100.0


def test_the_smaller_mask_lies_on_top() -> None:
    ids = paint([box(0, 0, 2, 2), box(0, 0, 5, 6)], SHAPE)
    assert ids[1, 1] == 1
    assert ids[3, 3] == 2
    assert np.bincount(ids.ravel())[1:].tolist() == [4, 26]


def test_quality_is_weighted_by_area() -> None:
    assert area_weighted_quality([box(0, 0, 1, 10, 1.0), box(0, 0, 3, 10, 0.2)]) == pytest.approx(0.4)
    assert area_weighted_quality([]) == 0.0

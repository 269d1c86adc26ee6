"""Crops cover every image, and objects over their borders come out whole."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import find_objects
from skimage.measure import label

from matcurate.segmentation.matsam.crops import Crop, by_core, crops, stitch, unite
from matcurate.types import BoolMask, Candidate

SHAPE = (96, 160)


def regions(mask: BoolMask) -> list[Candidate]:
    """What a perfect segmenter finds: the connected regions (8 neighbours)."""
    labels = label(mask, connectivity=2)
    return [
        Candidate(rows.start, columns.start, labels[rows, columns] == number, 0.5)
        for number, (rows, columns) in enumerate(find_objects(labels), start=1)
    ]


def found_in_crops(truth: BoolMask, core: int, margin: int) -> Iterator[tuple[Crop, tuple[Candidate, ...]]]:
    for crop in crops(truth.shape, core, margin):
        yield crop, crop.place(regions(crop.cut(truth)))


def as_set(candidates: list[Candidate] | tuple[Candidate, ...]) -> set[tuple[tuple[int, ...], bytes]]:
    assert len(candidates) == len({(c.box, c.mask.tobytes()) for c in candidates})
    return {(c.box, c.mask.tobytes()) for c in candidates}


def test_crops_by_hand() -> None:
    assert [(c.frame, c.core) for c in crops((10, 25), core=10, margin=2)] == [
        ((0, 0, 10, 10), (0, 0, 10, 8)),
        ((0, 6, 10, 19), (0, 8, 10, 17)),
        ((0, 15, 10, 25), (0, 17, 10, 25)),
    ]
    assert [c.frame for c in crops((96, 160))] == [(0, 0, 96, 160)]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 70), st.integers(1, 90), st.integers(1, 40), st.integers(1, 12))
def test_cores_part_the_image_and_frames_are_bounded(height: int, width: int, core: int, margin: int) -> None:
    covered = np.zeros((height, width), dtype=int)
    for crop in crops((height, width), core, margin):
        top, left, bottom, right = crop.core
        covered[top:bottom, left:right] += 1
        assert crop.cut(covered).shape[0] <= core + 2 * margin and crop.cut(covered).shape[1] <= core + 2 * margin
        assert crop.frame == (
            max(0, top - margin),
            max(0, left - margin),
            min(height, bottom + margin),
            min(width, right + margin),
        )
    assert (covered == 1).all()


def test_crops_are_made_one_at_a_time() -> None:
    first = next(crops((10**9, 10**9), core=10**6, margin=64))
    assert first.frame == (0, 0, 10**6 + 64, 10**6 + 64)
    made: list[Crop] = []

    def parts() -> Iterator[tuple[Crop, tuple[Candidate, ...]]]:
        for crop in crops((8, 30), 10, 1):
            made.append(crop)
            yield crop, ()

    assert stitch(parts()) == () and len(made) == 3


def test_objects_over_the_borders_come_out_whole() -> None:
    truth = np.zeros(SHAPE, dtype=bool)
    truth[10:20, 5:155] = True  # through all crops of a row
    truth[30:40, 35:45] = True  # over one border
    truth[44:52, 76:84] = True  # over a corner of four crops
    truth[60:64, 30:70] = truth[60:90, 30:34] = truth[60:90, 66:70] = True  # a U with its legs apart below
    truth[70:73, 50:53] = True  # inside the U
    truth[80:83, 36:39] = True  # in a band, in one core
    whole = stitch(found_in_crops(truth, core=40, margin=6))
    assert len(whole) == 6
    assert as_set(whole) == as_set(regions(truth))


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(5, 40),
    st.integers(5, 60),
    st.sampled_from([0.2, 0.5, 0.7]),
    st.integers(4, 30),
    st.integers(1, 5),
)
def test_what_is_connected_comes_out_as_one(
    seed: int, height: int, width: int, share: float, core: int, margin: int
) -> None:
    truth = np.random.default_rng(seed).random((height, width)) < share
    assert as_set(stitch(found_in_crops(truth, core, margin), 1.0)) == as_set(regions(truth))


def bar(left: int, right: int, top: int = 4, bottom: int = 8, quality: float = 0.5) -> Candidate:
    return Candidate(top, left, np.ones((bottom - top, right - left), dtype=bool), quality)


LEFT, RIGHT = crops((12, 40), core=20, margin=5)  # the band is columns 15 to 25


def test_agreement_is_asked_for_in_the_band_alone() -> None:
    # In the band: rows 4 to 8 against rows 4 to 7, so 30 shared of 40.
    parts = [(LEFT, [bar(0, 25)]), (RIGHT, [bar(15, 40, bottom=7)])]
    (one,) = stitch(parts, 0.75)
    assert one.box == (4, 0, 8, 40) and one.area == 4 * 25 + 3 * 15
    assert len(stitch(parts, 0.76)) == 2


def test_the_quality_is_weighted_by_area() -> None:
    (one,) = stitch([(LEFT, [bar(0, 25, quality=0.9)]), (RIGHT, [bar(15, 30, quality=0.1)])])
    assert one.quality == pytest.approx((100 * 0.9 + 60 * 0.1) / 160)
    alone = bar(0, 5)
    assert unite([alone]) is alone


def test_each_piece_has_one_partner() -> None:
    # Two nested masks of one crop both resemble the one of the other crop; the one that resembles it more is taken.
    tight, loose = bar(10, 25), bar(8, 25, bottom=9)
    other = bar(15, 35)
    whole = stitch([(LEFT, [loose, tight]), (RIGHT, [other])], 0.5)
    assert [c.box for c in whole] == [(4, 8, 9, 25), (4, 10, 8, 35)]


def test_a_crop_answers_for_objects_with_a_pixel_in_its_core() -> None:
    corner = np.zeros((3, 6), dtype=bool)
    corner[0, 0] = corner[2, 5] = True
    inside, outside = Candidate(2, 4, corner, 0.5), Candidate(2, 5, np.ones((2, 4), dtype=bool), 0.5)
    placed = RIGHT.place([inside, outside])  # the frame begins at column 15, the core at column 20
    assert [c.box for c in placed] == [(2, 19, 5, 25), (2, 20, 4, 24)]
    assert LEFT.place([bar(20, 24)]) == ()
    assert Crop((0, 0, 9, 9), (0, 0, 3, 3)).place([Candidate(2, 2, ~corner[:2, :2], 0.5)]) == ()


def test_what_touches_no_band_stays_as_it_is() -> None:
    one, other = bar(0, 10), bar(30, 38)
    assert stitch([(LEFT, [one]), (RIGHT, [other])]) == (one, other)
    assert stitch([(LEFT, [one]), (RIGHT, [bar(17, 23, 9, 11)])])[0] is one
    assert stitch([(LEFT, []), (RIGHT, [])]) == ()


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 pixel, got 0 and 3"):
        next(crops(SHAPE, 0, 3))
    with pytest.raises(ValueError, match="at least 1 pixel, got 8 and 0"):
        next(crops(SHAPE, 8, 0))
    with pytest.raises(ValueError, match="agreement must lie"):
        stitch([], 0.0)
    for core in ((0, 0, 5, 6), (1, 1, 1, 3), (1, 3, 2, 3)):
        with pytest.raises(ValueError, match="core must not be empty and lie inside"):
            Crop((0, 0, 5, 5), core)


def test_every_candidate_belongs_to_the_core_that_holds_the_middle_of_its_box() -> None:
    parts = list(crops((96, 160), core=80, margin=8))  # cores of 48 x 80
    places = [(0, 0), (40, 70), (44, 76), (47, 79), (90, 150)]
    boxes = [Candidate(top, left, np.ones((6, 10), dtype=bool), 0.5) for top, left in places]
    result = by_core(boxes, parts)
    assert [[(c.top, c.left) for c in part] for part in result] == [
        [(0, 0), (40, 70)],
        [(44, 76)],
        [],
        [(47, 79), (90, 150)],
    ]

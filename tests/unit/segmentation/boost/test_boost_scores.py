"""The paper's metrics on rectangles, worked out by hand."""

from dataclasses import astuple

import numpy as np
import pytest

from matcurate.segmentation.boost.scores import band_width, boundary_band, score_masks
from tests.unit.segmentation.boost.boost_samples import box

SHAPE = (40, 60)


def label(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    return box(top, left, bottom, right).paint(SHAPE)


def test_masks_equal_to_the_labels_are_perfect() -> None:
    scores = score_masks([box(0, 30, 40, 60), box(0, 0, 40, 30)], [label(0, 0, 40, 30), label(0, 30, 40, 60)])
    assert (scores.miou, scores.mrecall, scores.mprecision, scores.mfpr, scores.matched_iou) == (1, 1, 1, 0, 1)


def test_every_mask_that_takes_part_counts() -> None:
    wanted = label(0, 0, 40, 30)  # 1200 pixels
    masks = [box(0, 0, 40, 30), box(0, 0, 40, 15), box(0, 0, 20, 6)]  # IoU 1, .5, .1
    scores = score_masks([*masks, box(0, 0, 5, 5)], [wanted])  # the last has IoU .02: it takes no part
    assert scores.miou == pytest.approx((1 + 0.5 + 0.1) / 3)
    assert scores.mfpr == pytest.approx((0.5 + 0.1) / 2)
    assert scores.matched_iou == 1
    assert scores.mrecall == pytest.approx((1200 + 600 + 120) / 3 / 1200)
    assert scores.mprecision == 1


def test_precision_falls_with_what_lies_outside() -> None:
    scores = score_masks([box(0, 0, 40, 40)], [label(0, 0, 40, 30)])  # 1200 inside, 400 outside
    assert scores.mprecision == pytest.approx(0.75)
    assert scores.mrecall == 1
    assert scores.miou == pytest.approx(0.75)


def test_a_missed_label_halves_everything() -> None:
    scores = score_masks([box(0, 0, 40, 30)], [label(0, 0, 40, 30), label(0, 30, 40, 60)])
    assert scores.miou == 0.5
    assert scores.mrecall == 0.5
    assert scores.mprecision == 1
    assert scores.matched_iou == 0.5


def test_without_masks_everything_is_nought() -> None:
    scores = score_masks([], [label(0, 0, 40, 30)])
    assert (scores.miou, scores.mrecall, scores.mprecision, scores.mfpr, scores.matched_iou) == (0, 0, 0, 0, 0)


def test_one_mask_is_matched_to_one_label() -> None:
    scores = score_masks([box(0, 0, 40, 60)], [label(0, 0, 40, 30), label(0, 30, 40, 60)])
    assert scores.miou == 0.5
    assert scores.matched_iou == 0.25


def test_the_order_of_masks_and_labels_is_of_no_account() -> None:
    masks = [box(0, 0, 30, 30), box(10, 5, 40, 50), box(0, 20, 40, 60)]
    labels = [label(0, 0, 40, 25), label(0, 25, 40, 60)]
    turned = score_masks(masks[::-1], labels[::-1])
    assert astuple(score_masks(masks, labels)) == pytest.approx(astuple(turned))


def test_bands_run_along_the_outline_and_the_frame() -> None:
    mask = label(0, 10, 20, 30)
    band = boundary_band(mask, 3)
    assert np.count_nonzero(band) == 20 * 20 - 14 * 14
    assert band[0, 20]
    assert not band[10, 20]
    assert not (band & ~mask).any()


def test_a_band_is_two_per_cent_of_the_diagonal() -> None:
    assert band_width((300, 400)) == 10
    assert band_width((4, 3)) == 1

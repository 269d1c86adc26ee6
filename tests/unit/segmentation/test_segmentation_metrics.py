import numpy as np
import pytest

from matcurate.segmentation.metrics import (
    adjusted_rand_index,
    class_mean_iou,
    evaluate,
    f1_score,
    intersection_over_union,
    recall_score,
)
from matcurate.segmentation.result import Segmentation


def two_masks() -> tuple[np.ndarray, np.ndarray]:
    """4 x 10: truth is columns 0-3 (16 px), prediction columns 2-4 (12 px), 8 px shared."""
    truth = np.zeros((4, 10), dtype=bool)
    truth[:, :4] = True
    predicted = np.zeros((4, 10), dtype=bool)
    predicted[:, 2:5] = True
    return predicted, truth


def test_values_worked_out_by_hand() -> None:
    predicted, truth = two_masks()
    assert intersection_over_union(predicted, truth) == pytest.approx(8 / 20)
    # background: 24 and 28 px, both miss columns 0-4, so 20 shared and 32 together
    assert class_mean_iou(predicted, truth) == pytest.approx((8 / 20 + 20 / 32) / 2)
    assert f1_score(predicted, truth) == pytest.approx(16 / 28)
    assert recall_score(predicted, truth) == pytest.approx(8 / 16)
    assert recall_score(truth, predicted) == pytest.approx(8 / 12)


def test_empty_masks_agree() -> None:
    empty, (full, _) = np.zeros((4, 10), dtype=bool), two_masks()
    assert (class_mean_iou(empty, empty), f1_score(empty, empty), recall_score(empty, empty)) == (1, 1, 1)
    assert (intersection_over_union(full, empty), f1_score(full, empty), recall_score(full, empty)) == (0, 0, 1)


def test_adjusted_rand_index_by_hand() -> None:
    # contingency [[2, 0], [1, 1]]: pairs 1; rows 1 + 1, columns 3 + 0, all 6; expected 2 * 3 / 6 = 1, mean 2.5
    truth = np.array([[1, 1, 2, 2]], dtype=np.uint32)
    predicted = np.array([[1, 1, 1, 2]], dtype=np.uint32)
    assert adjusted_rand_index(predicted, truth) == pytest.approx((1 - 1) / (2.5 - 1))
    assert adjusted_rand_index(truth * 5, truth) == 1.0


def segmentation(phases: np.ndarray, instances: np.ndarray) -> Segmentation:
    return Segmentation(phases.astype(np.uint8), instances.astype(np.uint32), 0.5)


def test_evaluate_takes_every_class_but_0_as_foreground() -> None:
    predicted, truth = two_masks()
    labelled = truth.astype(np.uint16) * 3
    labelled[0, 0] = 1
    scores = evaluate(segmentation(predicted, predicted), labelled)
    assert scores.iou_foreground == pytest.approx(8 / 20)
    assert scores.f1 == pytest.approx(16 / 28)


def test_ari_is_of_instances_when_there_are_some_else_of_components() -> None:
    phases = np.zeros((4, 10), dtype=np.uint8)
    phases[:, :4] = 1
    halves = phases.astype(np.uint32)
    halves[2:, :4] = 2
    one = segmentation(phases, phases)
    assert evaluate(one, phases).ari == 1.0
    assert evaluate(one, phases, halves).ari == pytest.approx(adjusted_rand_index(phases, halves))
    assert evaluate(one, phases, halves).ari < 1.0
    assert evaluate(segmentation(phases, halves), phases, halves).ari == 1.0


def test_components_touch_at_corners() -> None:
    phases = np.zeros((4, 10), dtype=np.uint8)
    phases[:2, :2] = phases[2:, 2:4] = 1
    assert evaluate(segmentation(phases, phases), phases).ari == 1.0
    parted = phases.astype(np.uint32)
    parted[2:, 2:4] *= 2
    assert evaluate(segmentation(phases, phases), phases, parted).ari < 1.0


def test_refuses_another_size() -> None:
    predicted, truth = two_masks()
    with pytest.raises(ValueError, match="equal"):
        evaluate(segmentation(predicted, predicted), truth.T.astype(np.uint8))

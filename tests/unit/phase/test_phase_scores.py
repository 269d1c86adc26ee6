import numpy as np
import pytest

from matcurate.phase.scores import mean_of, score_phases

TRUTH = np.array([[0, 0, 1, 1], [0, 0, 1, 1]], np.uint8)
SAID = np.array([[0, 0, 0, 1], [0, 0, 1, 1]], np.uint8)


def test_by_hand():
    scores = score_phases(SAID, TRUTH, 3)
    assert scores.dice == (pytest.approx(2 * 4 / 9), pytest.approx(2 * 3 / 7), None)
    assert scores.iou == (pytest.approx(4 / 5), pytest.approx(3 / 4), None)
    assert scores.fraction_error == (pytest.approx(1 / 8), pytest.approx(-1 / 8), 0)
    assert scores.boundary_f1 == (1, 1, None)


def test_a_boundary_moved_further_than_the_tolerance_does_not_agree():
    truth, said = np.zeros((96, 160), np.uint8), np.zeros((96, 160), np.uint8)
    truth[:, 80:], said[:, 82:] = 1, 1
    assert score_phases(said, truth, 2).boundary_f1 == (1, 1)
    said[:, 82] = 0
    assert score_phases(said, truth, 2).boundary_f1 == (0, 0)


def test_permuted_phases_permute_the_scores():
    order = np.array([2, 0, 1], np.uint8)
    first, second = score_phases(SAID, TRUTH, 3), score_phases(order[SAID], order[TRUTH], 3)
    assert second.dice == tuple(first.dice[phase] for phase in np.argsort(order))


def test_a_phase_that_is_missed_counts_and_one_that_is_nowhere_does_not():
    scores = score_phases(np.zeros((4, 5), np.uint8), np.eye(4, 5, dtype=np.uint8), 3)
    assert scores.dice[1:] == (0, None) and scores.boundary_f1[1:] == (0, None)
    assert mean_of((0.5, None, 1.0)) == 0.75 and mean_of((None,)) is None


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        score_phases(SAID[:1], TRUTH, 2)

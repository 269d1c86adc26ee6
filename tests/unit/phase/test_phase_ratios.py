import numpy as np
import pytest

from matcurate.phase.ratios import exact_ratio, guessed_ratio


def test_ratio_of_a_label_map():
    labels = np.zeros((4, 10), np.uint8)
    labels[0] = 2
    assert exact_ratio(labels, 3).tolist() == [0.75, 0, 0.25]


def test_guesses_of_the_papers_example():
    exact = np.array([0.7, 0.18, 0.12])
    # Equations 4 and 5; the paper prints .314, .344 for α = .3 (they sum to .973) and .203 for α = .9: slips.
    assert guessed_ratio(exact, 0.3) == pytest.approx([0.315, 0.341, 0.344])
    assert guessed_ratio(exact, 0.5) == pytest.approx([0.425, 0.295, 0.28])
    assert guessed_ratio(exact, 0.9) == pytest.approx([0.645, 0.203, 0.152])
    assert guessed_ratio(exact, 1.0) == pytest.approx(exact)


@pytest.mark.parametrize("accuracy", [0.0, 0.25, 0.662, 1.0])
def test_a_guess_sums_to_one(accuracy):
    assert guessed_ratio(np.array([0.5, 0.3, 0.2, 0.0]), accuracy).sum() == pytest.approx(1)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="ids below 2"):
        exact_ratio(np.full((2, 2), 2, np.uint8), 2)
    for accuracy in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="accuracy"):
            guessed_ratio(np.array([0.5, 0.5]), accuracy)

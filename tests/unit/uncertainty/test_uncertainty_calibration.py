import numpy as np
import pytest

from matcurate.uncertainty.calibration import (
    detection_auroc,
    expected_calibration_error,
    reliability,
    risk_coverage,
)


def flags(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.bool_)


def test_risk_coverage_by_hand() -> None:
    # In the order of certainty the errors are 0, 1, 0, 1.
    curve = risk_coverage(np.array([0.9, 0.1, 0.2, 0.5]), flags(1, 0, 1, 0))
    assert curve.coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert curve.risk == pytest.approx([0, 1 / 2, 1 / 3, 1 / 2])
    assert curve.area == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)
    # The best order is right, right, wrong, wrong: risks 0, 0, 1/3, 1/2.
    assert curve.excess == pytest.approx(curve.area - (1 / 3 + 1 / 2) / 4)


def test_the_best_order_has_no_excess() -> None:
    assert risk_coverage(np.array([0.1, 0.2, 0.8, 0.9]), flags(0, 0, 1, 1)).excess == pytest.approx(0)


def test_equal_uncertainties_tell_nothing_whatever_their_order() -> None:
    first = risk_coverage(np.full(4, 0.3), flags(1, 0, 0, 0))
    again = risk_coverage(np.full(4, 0.3), flags(0, 0, 0, 1))
    assert first.risk == pytest.approx([0.25] * 4)
    assert first.risk == pytest.approx(again.risk)


def test_calibration_error_by_hand() -> None:
    # One bin (0.9, 1.0]: confidence .95, accuracy 1/2; another (0.1, 0.2]: confidence .2, accuracy 0.
    confidence = np.array([0.95, 0.95, 0.2, 0.2])
    error = expected_calibration_error(confidence, flags(1, 0, 0, 0), bins=10)
    assert error == pytest.approx(0.5 * 0.45 + 0.5 * 0.2)
    assert expected_calibration_error(np.array([0.0, 1.0]), flags(0, 1)) == 0


def test_a_calibrated_coin_has_almost_no_error() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(200_000)
    assert expected_calibration_error(confidence, rng.random(200_000) < confidence) < 0.01


def test_auroc_counts_pairs_in_the_right_order() -> None:
    assert detection_auroc(np.array([0.1, 0.4, 0.3, 0.8]), flags(0, 0, 1, 1)) == 0.75
    assert detection_auroc(np.array([0.1, 0.4]), flags(0, 0)) is None


def test_reliability_holds_all_measures() -> None:
    found = reliability(np.array([0.1, 0.9]), np.array([1.0, 0.5]), flags(1, 0))
    assert (found.samples, found.accuracy, found.error_auroc) == (2, 0.5, 1.0)
    assert (found.risk_coverage_area, found.risk_coverage_excess, found.ece) == (0.25, 0.0, 0.25)


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        (np.array([]), flags()),
        (np.array([0.1, 0.2]), flags(1)),
        (np.array([np.nan, 0.2]), flags(1, 0)),
        (np.array([0.1, 0.2]), np.array([1, 0])),
    ],
)
def test_what_cannot_be_measured_is_refused(values: np.ndarray, wrong: np.ndarray) -> None:
    for measure in (risk_coverage, expected_calibration_error, detection_auroc):
        with pytest.raises(ValueError):
            measure(values, wrong)


def test_confidences_are_shares() -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        expected_calibration_error(np.array([1.2]), flags(1))

"""The policy of promotion: every way to be promoted and to be refused."""

import pytest

from matcurate.config import PromotionSettings
from matcurate.phase.comparison import Difference
from matcurate.uncertainty.calibration import Reliability
from matcurate.workflows.evaluation import decide_promotion
from matcurate.workflows.evaluation.evaluate import Comparison

SETTINGS = PromotionSettings(dice_loss=0.02, fraction_tolerance=0.01)


def compared(mean=0.0, low=-0.01, high=0.01, error=0.0):
    return Comparison(Difference(mean, low, high, 6), Difference(error, error, error, 6))


@pytest.mark.parametrize(
    ("comparison", "promoted", "why"),
    [
        (compared(0.03, 0.01, 0.05), True, "against steel-v1 on 6 golden micrographs: Dice +0.030 (95% interval"),
        (compared(-0.01, -0.03, 0.01), True, "against steel-v1"),  # perhaps a little worse: not significantly
        (compared(-0.01, -0.02, -0.001), False, "refused: Dice is significantly worse (against"),
        (compared(-0.001, -0.001, 0.0), True, "against"),  # the interval touches 0
        (compared(-0.1, -0.3, 0.1), False, "refused: Dice falls by more than 0.02"),  # too few images to be sure
        (compared(-0.02, -0.05, 0.01), True, "against"),  # just what is let pass
        (compared(0.1, 0.05, 0.2, error=0.011), False, "refused: the area fractions err more by over 0.01"),
        (compared(error=0.01), True, "against"),
        (compared(-0.3, -0.4, -0.2, 0.2), False, "refused: Dice is significantly worse; the area fractions err more"),
    ],
)
def test_against_what_pre_segments_now(comparison, promoted, why):
    found = decide_promotion(comparison, "steel-v1", SETTINGS)
    assert found.promoted is promoted and found.why.startswith(why)


def test_without_a_golden_set_nobody_is_promoted():
    found = decide_promotion(None, "", SETTINGS)
    assert not found.promoted and "curate ingest --golden" in found.why and "curate models promote" in found.why


def test_by_hand_means_by_hand_but_the_reason_is_still_said():
    manual = SETTINGS.model_copy(update={"policy": "manual"})
    found = decide_promotion(compared(0.1, 0.05, 0.2), "MatSAM", manual)
    assert not found.promoted
    assert found.why.startswith("would be promoted, but the policy is manual: against MatSAM on 6 golden micrographs")
    assert decide_promotion(compared(-1, -1, -1), "MatSAM", manual).why.startswith("refused")


def trusted(ece=0.05, auroc=0.9):
    return Reliability(1000, 0.95, 0.01, 0.005, ece, auroc)


@pytest.mark.parametrize(
    ("found", "asked", "promoted", "why"),
    [
        (trusted(), {"max_ece": 0.05, "min_error_auroc": 0.9}, True, "against steel-v1"),
        (trusted(ece=0.06), {"max_ece": 0.05}, False, "refused: its calibration error 0.060 is above 0.05"),
        (
            trusted(auroc=0.8),
            {"min_error_auroc": 0.9},
            False,
            "refused: its vacuity finds errors with an AUROC of 0.800",
        ),
        (trusted(auroc=None), {"min_error_auroc": 0.9}, True, "against"),  # it makes no errors
        (None, {"max_ece": 0.05}, False, "refused: its uncertainty was not measured"),
        (None, {}, True, "against"),
        (trusted(ece=0.9, auroc=0.1), {}, True, "against"),  # nobody asks
    ],
)
def test_promotion_can_ask_for_an_uncertainty_to_be_trusted(found, asked, promoted, why):
    settings = SETTINGS.model_copy(update=asked)
    decided = decide_promotion(compared(0.03, 0.01, 0.05), "steel-v1", settings, found)
    assert decided.promoted is promoted and decided.why.startswith(why)

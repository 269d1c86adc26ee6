"""The policy of promotion: every way to be promoted and to be refused."""

import pytest

from matcurate.config import PromotionSettings
from matcurate.phase.comparison import Difference
from matcurate.workflows.evaluate import Comparison
from matcurate.workflows.promotion import decide_promotion

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

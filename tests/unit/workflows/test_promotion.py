"""The policy of promotion: every way to be promoted and to be refused."""

import pytest

from matcurate.config import PromotionSettings
from matcurate.phase.comparison import Difference
from matcurate.workflows.evaluate import Comparison, Evaluation, Means
from matcurate.workflows.promotion import decide_promotion

SETTINGS = PromotionSettings(dice_loss=0.02, fraction_tolerance=0.01, first_dice=0.5)


def measured(dice=0.9):
    return Evaluation("d", Means(6, dice, 0.8, 0.01, 0.7), {}, {}, ())


def compared(mean=0.0, low=-0.01, high=0.01, error=0.0):
    return Comparison(Difference(mean, low, high, 6), Difference(error, error, error, 6))


@pytest.mark.parametrize(
    ("comparison", "promoted", "why"),
    [
        (compared(0.03, 0.01, 0.05), True, "against the champion on 6 golden micrographs: Dice +0.030 (95% interval"),
        (compared(-0.01, -0.03, 0.01), True, "against the champion"),  # perhaps a little worse: not significantly
        (compared(-0.01, -0.02, -0.001), False, "refused: Dice is significantly worse (against"),
        (compared(-0.001, -0.001, 0.0), True, "against"),  # the interval touches 0
        (compared(-0.1, -0.3, 0.1), False, "refused: Dice falls by more than 0.02"),  # too few images to be sure
        (compared(-0.02, -0.05, 0.01), True, "against"),  # just what is let pass
        (compared(0.1, 0.05, 0.2, error=0.011), False, "refused: the area fractions err more by over 0.01"),
        (compared(error=0.01), True, "against"),
        (compared(-0.3, -0.4, -0.2, 0.2), False, "refused: Dice is significantly worse; the area fractions err more"),
    ],
)
def test_against_a_champion(comparison, promoted, why):
    found = decide_promotion(measured(), measured(), comparison, SETTINGS)
    assert found.promoted is promoted and found.why.startswith(why)


def test_without_a_golden_set_nobody_is_promoted():
    found = decide_promotion(None, None, None, SETTINGS)
    assert not found.promoted and "curate ingest --golden" in found.why and "curate models promote" in found.why


def test_the_first_needs_a_golden_set_and_a_dice():
    assert decide_promotion(measured(0.5), None, None, SETTINGS).promoted
    found = decide_promotion(measured(0.49), None, None, SETTINGS)
    assert not found.promoted
    assert found.why == "refused: Dice is below 0.5 (first model: Dice 0.490 on 6 golden micrographs)"


def test_by_hand_means_by_hand_but_the_reason_is_still_said():
    manual = SETTINGS.model_copy(update={"policy": "manual"})
    for champion, comparison in ((None, None), (measured(), compared(0.1, 0.05, 0.2))):
        found = decide_promotion(measured(), champion, comparison, manual)
        assert not found.promoted and found.why.startswith("would be promoted, but the policy is manual")
    assert decide_promotion(measured(), measured(), compared(-1, -1, -1), manual).why.startswith("refused")


def test_what_was_not_compared_is_not_decided():
    with pytest.raises(ValueError, match="not compared"):
        decide_promotion(measured(), measured(), None, SETTINGS)

"""Decide whether a challenger becomes champion, and say why."""

from __future__ import annotations

from dataclasses import dataclass

from matcurate.config import PromotionSettings
from matcurate.uncertainty.calibration import Reliability
from matcurate.workflows.evaluation.evaluate import NO_GOLDEN_SET, Comparison

BY_HAND = "'curate models promote VERSION --why REASON' does it by hand"


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to promote, and why or why not; ``why`` is kept in the history."""

    promoted: bool
    why: str


def decide_promotion(
    comparison: Comparison | None, against: str, settings: PromotionSettings, reliability: Reliability | None = None
) -> Decision:
    """Decide by the policy.

    The challenger must not be significantly worse in Dice than what pre-segments now (the upper end of the interval of
    the difference is not below 0), not lose more mean Dice than ``dice_loss`` where the golden set is too small to
    tell, and not err more in the area fractions by over ``fraction_tolerance``. Where the settings ask for it, its
    probabilities must be calibrated to ``max_ece`` and its vacuity find errors with an AUROC of ``min_error_auroc``.
    ``comparison``: of the challenger with what pre-segments now; None without a golden set: then nobody is promoted.
    """
    if comparison is None:
        return Decision(False, f"{NO_GOLDEN_SET}; or {BY_HAND}")
    summary, fails = _against(comparison, against, settings)
    fails += _unreliable(reliability, settings)
    if fails:
        return Decision(False, f"refused: {'; '.join(fails)} ({summary})")
    if settings.policy == "manual":
        return Decision(False, f"would be promoted, but the policy is manual: {summary}; {BY_HAND}")
    return Decision(True, summary)


def _against(comparison: Comparison, against: str, settings: PromotionSettings) -> tuple[str, list[str]]:
    dice, error = comparison.dice, comparison.fraction_error
    summary = (
        f"against {against} on {dice.images} golden micrographs: Dice {dice.mean:+.3f} "
        f"({settings.confidence:.0%} interval {dice.low:+.3f} to {dice.high:+.3f}), "
        f"error of the area fractions {error.mean:+.4f}"
    )
    fails = []
    if dice.high < 0:
        fails.append("Dice is significantly worse")
    elif -dice.mean > settings.dice_loss:
        fails.append(f"Dice falls by more than {settings.dice_loss:g}")
    if error.mean > settings.fraction_tolerance:
        fails.append(f"the area fractions err more by over {settings.fraction_tolerance:g}")
    return summary, fails


def _unreliable(reliability: Reliability | None, settings: PromotionSettings) -> list[str]:
    """Requirements of the policy that the uncertainty does not meet; without errors there is no AUROC to check."""
    if settings.max_ece is None and settings.min_error_auroc is None:
        return []
    if reliability is None:
        return ["its uncertainty was not measured, and the policy asks for it"]
    fails = []
    if settings.max_ece is not None and reliability.ece > settings.max_ece:
        fails.append(f"its calibration error {reliability.ece:.3f} is above {settings.max_ece:g}")
    auroc = reliability.error_auroc
    if settings.min_error_auroc is not None and auroc is not None and auroc < settings.min_error_auroc:
        fails.append(f"its vacuity finds errors with an AUROC of {auroc:.3f}, below {settings.min_error_auroc:g}")
    return fails

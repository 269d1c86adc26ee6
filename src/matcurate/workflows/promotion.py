"""Whether a challenger becomes champion: a pure decision, and in words why."""

from __future__ import annotations

from dataclasses import dataclass

from matcurate.config import PromotionSettings
from matcurate.workflows.evaluate import NO_GOLDEN_SET, Comparison, Evaluation

BY_HAND = "'curate models promote VERSION --why REASON' does it by hand"


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to promote, and why or why not; ``why`` is kept in the history."""

    promoted: bool
    why: str


def decide_promotion(
    challenger: Evaluation | None,
    champion: Evaluation | None,
    comparison: Comparison | None,
    settings: PromotionSettings,
) -> Decision:
    """Decide by the policy.

    With a champion, the challenger must not be significantly worse in Dice (the upper end of the interval of the
    difference is not below 0), not lose more mean Dice than ``dice_loss`` where the golden set is too small to tell,
    and not err more in the area fractions than the champion by over ``fraction_tolerance``. The first needs
    ``first_dice``.

    Parameters
    ----------
    challenger : Evaluation or None
        None without a golden set: then nobody is promoted.
    champion : Evaluation or None
        None where there is no champion yet.
    comparison : Comparison or None
        Of the two; there whenever both are.
    settings : PromotionSettings
        The policy.

    Raises
    ------
    ValueError
        When both were measured but not compared.
    """
    if challenger is None:
        return Decision(False, f"{NO_GOLDEN_SET}; or {BY_HAND}")
    if champion is None:
        said, fails = _first(challenger, settings)
    elif comparison is None:
        raise ValueError("champion and challenger were measured but not compared")
    else:
        said, fails = _against(comparison, settings)
    if fails:
        return Decision(False, f"refused: {'; '.join(fails)} ({said})")
    if settings.policy == "manual":
        return Decision(False, f"would be promoted, but the policy is manual: {said}; {BY_HAND}")
    return Decision(True, said)


def _first(challenger: Evaluation, settings: PromotionSettings) -> tuple[str, list[str]]:
    dice = challenger.overall.dice or 0.0
    said = f"first model: Dice {dice:.3f} on {challenger.overall.images} golden micrographs"
    return said, [f"Dice is below {settings.first_dice:g}"] if dice < settings.first_dice else []


def _against(comparison: Comparison, settings: PromotionSettings) -> tuple[str, list[str]]:
    dice, error = comparison.dice, comparison.fraction_error
    said = (
        f"against the champion on {dice.images} golden micrographs: Dice {dice.mean:+.3f} "
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
    return said, fails

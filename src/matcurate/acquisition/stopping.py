"""When to stop labelling: by the confidence intervals of the phase fractions, and by the gain of another round.

References
----------
B. Efron, R. J. Tibshirani, An Introduction to the Bootstrap, Chapman & Hall (1993), chapter 13: percentile intervals.
C. Cortes, L. D. Jackel, S. A. Solla, V. Vapnik, J. S. Denker, "Learning curves: asymptotic values and rate of
convergence", NeurIPS 6 (1993): a score approaches its last value by a power of the number of examples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from matcurate.types import FloatArray

RESAMPLES = 9999
RESAMPLED_AT_MOST = 2000
"""Images above which the interval is the normal one: their mean is normal to within the resampling error, and 9999
resamples of 100,000 images would take 8 GB and minutes."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Mean of an area fraction over ``images`` images, and its confidence interval."""

    mean: float
    low: float
    high: float
    images: int

    @property
    def half_width(self) -> float:
        """Half of the interval's length."""
        return (self.high - self.low) / 2

    def images_for(self, half_width: float) -> int:
        """Images of the same spread that give this half width, which falls with the root of their number.

        Raises ValueError when ``half_width`` is not positive.
        """
        if not half_width > 0:
            raise ValueError(f"half_width must be positive, got {half_width}")
        return math.ceil(self.images * (self.half_width / half_width) ** 2 - 1e-9)


def fraction_interval(fractions: FloatArray, rng: np.random.Generator, confidence: float = 0.95) -> Interval:
    """Percentile bootstrap interval of a phase's mean area fraction, drawn over images; normal where they are many.

    ``fractions`` (N,) in [0, 1], ``confidence`` in (0, 1). Raises ValueError for fewer than two images, which do not
    show how images vary, or a fraction outside [0, 1].
    """
    if fractions.ndim != 1 or len(fractions) < 2:
        raise ValueError(f"needs the fractions of two images or more, got shape {fractions.shape}")
    if not ((fractions >= 0) & (fractions <= 1)).all():
        raise ValueError("fractions must lie in [0, 1]")
    mean = float(fractions.mean())
    if np.ptp(fractions) == 0:
        return Interval(mean, mean, mean, len(fractions))
    from scipy.stats import bootstrap, norm  # they take half a second to import

    if len(fractions) > RESAMPLED_AT_MOST:
        low, high = norm.interval(confidence, mean, fractions.std() / math.sqrt(len(fractions)))
        return Interval(mean, max(0.0, float(low)), min(1.0, float(high)), len(fractions))
    interval = bootstrap(
        (fractions,), np.mean, n_resamples=RESAMPLES, confidence_level=confidence, method="percentile", rng=rng
    ).confidence_interval
    return Interval(mean, float(interval.low), float(interval.high), len(fractions))


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """Expected score after learning from n images: ``limit`` - ``distance`` / √n.

    The exponent is fixed: a handful of rounds cannot determine it.
    """

    limit: float
    distance: float

    def at(self, images: int) -> float:
        """Expected score after ``images`` images, at least 1."""
        return self.limit - self.distance / math.sqrt(images)

    def gain(self, images: int, more: int) -> float:
        """Expected gain in score from ``more`` images after ``images``; never negative."""
        return max(0.0, self.at(images + more) - self.at(images))


def learning_curve(images: Sequence[int], scores: Sequence[float]) -> LearningCurve | None:
    """Curve through the scores (N,), higher is better, of trainings on numbers of ``images`` (N,), by least squares.

    None for fewer than two different numbers. Scores that fall with more images give a flat curve: no gain is expected.
    Raises ValueError when lengths differ, a number of images is below 1, or a score is not finite.
    """
    if len(images) != len(scores) or any(count < 1 for count in images) or not np.isfinite(scores).all():
        raise ValueError("needs one finite score for each number of images, at least 1")
    if len(set(images)) < 2:
        return None
    slope, limit = np.polyfit(1 / np.sqrt(images), scores, 1)
    if slope >= 0:
        return LearningCurve(float(np.mean(scores)), 0.0)
    return LearningCurve(float(limit), float(-slope))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to stop labelling, and the reasons in whole sentences."""

    stop: bool
    why: tuple[str, ...]


def decide_stop(
    intervals: Mapping[str, Interval],
    gain: float | None,
    round_size: int,
    *,
    half_width: float,
    least_gain: float,
) -> Verdict:
    """Stop when every phase's fraction is known well enough and another round would hardly improve the model.

    ``intervals`` by phase are narrow enough at ``half_width``, positive. ``gain`` is the Dice that another round of
    ``round_size`` images should bring, None when it cannot be estimated yet; ``least_gain`` is worth a round.
    """
    wide = {name: interval for name, interval in intervals.items() if interval.half_width > half_width}
    why = [
        f"The fraction of {name} is {interval.mean:.3f}, {interval.low:.3f} to {interval.high:.3f}: wider than "
        f"±{half_width:g}. At this spread about {interval.images_for(half_width)} images would do, "
        f"{interval.images} are there."
        for name, interval in wide.items()
    ]
    if intervals and not wide:
        why.append(f"Every phase's fraction is known to ±{half_width:g} or better.")
    if not intervals:
        why.append("No phase's fraction is known yet: there are fewer than two images with phases.")
    if gain is None:
        why.append("What another round would gain cannot be told: that needs two trainings on different numbers.")
    else:
        worth = "worth it" if gain >= least_gain else "not worth it"
        why.append(f"Another {round_size} corrections should bring {gain:+.4f} Dice: {worth} (from {least_gain:g} on).")
    stop = bool(intervals) and not wide and gain is not None and gain < least_gain
    return Verdict(stop, tuple(why))

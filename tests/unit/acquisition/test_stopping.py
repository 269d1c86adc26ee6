import numpy as np
import pytest

from matcurate.acquisition.stopping import Interval, decide_stop, fraction_interval, learning_curve

LIMITS = {"half_width": 0.02, "least_gain": 0.005}
KNOWN = {"γ'": Interval(0.4, 0.39, 0.41, 30)}


def test_the_interval_is_that_of_the_mean() -> None:
    # σ / √N = .05 / 10: 95 % of means lie within 1.96 of that.
    fractions = np.clip(np.random.default_rng(0).normal(0.3, 0.05, 100), 0, 1)
    result = fraction_interval(fractions, np.random.default_rng(1))
    expected = 1.96 * fractions.std() / 10
    assert result.mean == pytest.approx(fractions.mean()) and result.images == 100
    assert result.half_width == pytest.approx(expected, rel=0.06)
    assert result.low < result.mean < result.high
    # A quarter of the width needs sixteen times the images.
    assert result.images_for(result.half_width / 4) == pytest.approx(1600, abs=1)
    wider = fraction_interval(fractions, np.random.default_rng(1), confidence=0.99)
    assert wider.half_width == pytest.approx(result.half_width * 2.576 / 1.96, rel=0.08)


def test_many_images_get_the_interval_that_resampling_them_would_give() -> None:
    fractions = np.random.default_rng(0).beta(2, 6, 2001)
    many = fraction_interval(fractions, np.random.default_rng(1))
    resampled = fraction_interval(fractions[:2000], np.random.default_rng(1))
    assert many.half_width == pytest.approx(1.96 * fractions.std() / 2001**0.5, rel=1e-4)
    assert (many.low, many.high) == pytest.approx((resampled.low, resampled.high), abs=0.05 * many.half_width)
    rare = np.append(np.zeros(9999), 1e-6)
    assert fraction_interval(rare, np.random.default_rng(1)).low == 0.0


def test_equal_images_have_no_spread_and_one_image_tells_none() -> None:
    assert fraction_interval(np.full(3, 0.25), np.random.default_rng(0)) == Interval(0.25, 0.25, 0.25, 3)
    for bad in (np.array([0.5]), np.array([0.5, 1.2]), np.array([0.5, np.nan])):
        with pytest.raises(ValueError, match="fractions"):
            fraction_interval(bad, np.random.default_rng(0))


def test_the_curve_goes_through_what_lies_on_one() -> None:
    sizes = [4, 16, 64]
    curve = learning_curve(sizes, [0.9 - 0.4 / n**0.5 for n in sizes])
    assert curve is not None
    assert curve.limit == pytest.approx(0.9) and curve.distance == pytest.approx(0.4)
    # From 64 to 100: .4 / 8 - .4 / 10.
    assert curve.gain(64, 36) == pytest.approx(0.01)


def test_what_cannot_be_told_is_not_made_up() -> None:
    assert learning_curve([], []) is None
    assert learning_curve([8, 8], [0.7, 0.8]) is None
    falling = learning_curve([4, 9], [0.8, 0.7])
    assert falling is not None and falling.gain(9, 100) == 0 and falling.at(9) == pytest.approx(0.75)
    with pytest.raises(ValueError, match="one finite score"):
        learning_curve([4, 8], [0.5])
    with pytest.raises(ValueError, match="at least 1"):
        learning_curve([0, 8], [0.5, 0.6])


@pytest.mark.parametrize(
    ("intervals", "gain", "stop", "why"),
    [
        (KNOWN, 0.004, True, "not worth it"),
        (KNOWN, 0.005, False, "worth it"),
        (KNOWN, None, False, "cannot be told"),
        ({**KNOWN, "carbide": Interval(0.1, 0.06, 0.14, 10)}, 0.0, False, "about 40 images would do, 10 are there"),
        ({}, 0.0, False, "No phase's fraction is known"),
    ],
)
def test_stop_needs_both_and_says_why(intervals: dict[str, Interval], gain: float | None, stop: bool, why: str) -> None:
    result = decide_stop(intervals, gain, 10, **LIMITS)
    assert result.stop is stop
    assert why in " ".join(result.why)

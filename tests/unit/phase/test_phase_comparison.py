import numpy as np
import pytest

from matcurate.phase.comparison import Difference, paired_difference


def differ(challenger, champion=None, **options):
    scores = np.asarray(challenger, dtype=float)
    other = np.zeros_like(scores) if champion is None else np.asarray(champion, dtype=float)
    return paired_difference(scores, other, np.random.default_rng(0), **options)


def test_two_micrographs_worked_out():
    # Means of two draws from {0, 1}: 0 in a quarter, .5 in a half, 1 in a quarter of the cases.
    assert differ([0, 1]) == Difference(0.5, 0.0, 1.0, 2)
    assert differ([0, 1], confidence=0.4) == Difference(0.5, 0.5, 0.5, 2)  # quantiles .3 and .7


def test_the_pairs_decide_and_not_the_spread():
    """Each micrograph is worse by .01; between micrographs scores differ by far more."""
    champion = np.linspace(0.2, 0.9, 8)
    worse = differ(champion - 0.01, champion)
    assert worse.mean == pytest.approx(-0.01) and worse.high < 0
    unpaired = differ(champion[::-1] - 0.01, champion)
    assert unpaired.mean == pytest.approx(-0.01) and unpaired.low < -0.1 and unpaired.high > 0.1


def test_a_large_sample_meets_the_normal_interval():
    values = np.random.default_rng(1).normal(0.1, 0.2, 400)
    found, half = differ(values), 1.96 * values.std() / 20
    assert found.low == pytest.approx(values.mean() - half, abs=0.003)
    assert found.high == pytest.approx(values.mean() + half, abs=0.003)


def test_swapping_the_models_turns_the_interval_round():
    found, turned = differ([0.1, 0.5, 0.2], [0.3, 0.1, 0.1]), differ([0.3, 0.1, 0.1], [0.1, 0.5, 0.2])
    assert (turned.mean, turned.low, turned.high) == pytest.approx((-found.mean, -found.high, -found.low), abs=0.02)


def test_the_same_seed_repeats():
    assert differ([0.1, 0.7, 0.3]) == differ([0.1, 0.7, 0.3])


def test_one_micrograph_has_no_spread():
    assert differ([0.25], [0.5]) == Difference(-0.25, -0.25, -0.25, 1)
    assert differ([1, 2], [0.5, 1.5]) == Difference(0.5, 0.5, 0.5, 2)


@pytest.mark.parametrize(("one", "other"), [([], []), ([1.0], [1.0, 2.0]), ([np.nan], [1.0]), ([[1.0]], [[1.0]])])
def test_what_does_not_pair_up_is_refused(one, other):
    with pytest.raises(ValueError, match="scores must"):
        differ(one, other)

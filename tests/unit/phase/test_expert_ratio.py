"""Ratios that name some phases only."""

import numpy as np
import pytest

from matcurate.phase.expert_ratio import completed_ratio


@pytest.mark.parametrize(
    ("given", "guess", "ratio"),
    [
        ((0.3,), (0.1,), (0.7, 0.3)),
        ((0.2, 0.5), (0.9, 0.1), (0.3, 0.2, 0.5)),
        # .6 is left; the guess has matrix .5 and phase 2 .25, thus 2 : 1
        ((0.4, None), (0.25, 0.25), (0.4, 0.4, 0.2)),
        ((None, 0.5), (0.0, 1.0), (0.5, 0.0, 0.5)),  # the guess has neither matrix nor phase 1
        ((1.0, None), (0.5, 0.2), (0.0, 1.0, 0.0)),
    ],
)
def test_what_is_left_goes_where_the_guess_says(given, guess, ratio):
    np.testing.assert_allclose(completed_ratio(given, guess), ratio, atol=1e-12)


def test_rounded_ratios_may_exceed_one_a_little():
    ratio = completed_ratio((0.502, 0.501), (0.5, 0.5))
    np.testing.assert_allclose(ratio, (0, 0.502 / 1.003, 0.501 / 1.003), atol=1e-12)
    with pytest.raises(ValueError, match=r"add up to 1\.1"):
        completed_ratio((0.6, 0.5), (0.5, 0.5))
    with pytest.raises(ValueError, match="2 ratios and 1 guesses"):
        completed_ratio((0.6, 0.5), (0.5,))

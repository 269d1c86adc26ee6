"""Ratios that name some phases only."""

import numpy as np
import pytest

from matcurate.phase.expert_ratio import ExpertRatio


@pytest.mark.parametrize(
    ("given", "own", "ratio"),
    [
        ((0.3,), (0.9, 0.1), (0.7, 0.3)),
        ((0.2, 0.5), (0.0, 0.9, 0.1), (0.3, 0.2, 0.5)),
        # .6 is left; the model finds matrix .5 and phase 2 .25, thus 2 : 1
        ((0.4, None), (0.5, 0.25, 0.25), (0.4, 0.4, 0.2)),
        ((None, 0.5), (0.0, 0.0, 1.0), (0.5, 0.0, 0.5)),  # the model finds neither matrix nor phase 1
        ((1.0, None), (0.3, 0.5, 0.2), (0.0, 1.0, 0.0)),
    ],
)
def test_what_is_left_goes_where_the_model_says(given, own, ratio):
    np.testing.assert_allclose(ExpertRatio.of_phases(given).completed(np.array(own)), ratio, atol=1e-12)


def test_rounded_ratios_may_exceed_one_a_little():
    ratio = ExpertRatio.of_phases((0.502, 0.501)).completed(np.array([0.0, 0.5, 0.5]))
    np.testing.assert_allclose(ratio, (0, 0.502 / 1.003, 0.501 / 1.003), atol=1e-12)
    with pytest.raises(ValueError, match=r"add up to 1\.1"):
        ExpertRatio.of_phases((0.6, 0.5))
    with pytest.raises(ValueError, match="between 0 and 1"):
        ExpertRatio.of_phases((-0.1, None))


def test_phases_are_open_where_nothing_is_given():
    assert ExpertRatio.of_phases((0.6, 0.0)).names_all and not ExpertRatio.of_phases((0.6, None)).names_all
    np.testing.assert_array_equal(ExpertRatio.of_phases((0.6, None)).areas, [np.nan, 0.6, np.nan])

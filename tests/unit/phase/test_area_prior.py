"""How far a model's areas are off, measured on the validation part and drawn to the default."""

import numpy as np
import pytest
from scipy.special import logit

from matcurate.phase.area_prior import WEIGHT, area_statistics, measure_areas
from matcurate.phase.constrained import OWN_SD, areas_of
from matcurate.phase.inference import phase_shares
from tests.unit.phase.phase_samples import small_model, striped


def test_spread_is_that_of_the_validation_part_and_a_default():
    true = np.array([[0.6, 0.4], [0.5, 0.5]])
    own = np.array([[0.7, 0.3]])  # of the second picture
    found = area_statistics(true, own)
    error = np.log(0.7 / 0.3)
    assert found.spread == pytest.approx([np.sqrt((WEIGHT * OWN_SD**2 + error**2) / (WEIGHT + 1))] * 2)
    assert found.mean == pytest.approx([np.log(1.5) / 2, -np.log(1.5) / 2])
    assert found.sd[0] == pytest.approx(np.sqrt((WEIGHT + 2 * (np.log(1.5) / 2) ** 2) / (WEIGHT + 1)))


def test_without_validation_part_the_default_stands():
    found = area_statistics(np.array([[0.6, 0.4]]), np.zeros((0, 2)))
    assert found.spread == pytest.approx([OWN_SD, OWN_SD]) and found.sd == pytest.approx([1, 1])
    np.testing.assert_allclose(found.prior().spread, OWN_SD)


def test_areas_are_those_of_the_model_and_unknown_pixels_do_not_count():
    model, picture = small_model(), striped()
    picture.labels[:40] = 255
    found = measure_areas(model, [striped()], [picture])
    own = areas_of(phase_shares(model, picture.grey, np.zeros(3))[:, 40:])
    true = logit(np.bincount(picture.labels[40:].ravel(), minlength=3) / picture.labels[40:].size)
    error = logit(own.clip(1e-4, 1 - 1e-4)) - true
    expected = np.sqrt((WEIGHT * OWN_SD**2 + error**2) / (WEIGHT + 1))
    np.testing.assert_allclose(found.spread, expected, atol=1e-6)

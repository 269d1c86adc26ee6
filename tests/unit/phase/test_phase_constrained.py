import numpy as np
import pytest

from matcurate.phase.constrained import (
    AreaPrior,
    area_bias,
    areas_of,
    doubtful_areas,
    expected_areas,
    follow,
    shares_with,
    target_areas,
)


def ramp(phases=3, shape=(60, 100), seed=0, sharp=2.0):
    """Probabilities (n, H, W) of smooth random fields."""
    rng = np.random.default_rng(seed)
    from scipy.ndimage import gaussian_filter

    fields = np.stack([gaussian_filter(rng.normal(size=shape), 4) for _ in range(phases)])
    logits = sharp * fields / fields.std()
    shares = np.exp(logits) / np.exp(logits).sum(axis=0)
    return shares.astype(np.float32)


def nan(*values):
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


@pytest.mark.parametrize("target", [(0.5, 0.3, 0.2), (0.9, 0.08, 0.02), (0.02, 0.49, 0.49)])
def test_measured_areas_are_met(target):
    shares = ramp()
    moved = follow(shares, np.array(target), "measured")
    assert np.allclose(areas_of(moved), target, atol=0.006)
    assert np.allclose(moved.sum(axis=0), 1, atol=1e-5)


def test_two_phases_are_a_threshold_on_one_of_them():
    """Of four pixels with p = .9 .8 .3 .1, half the area is the two largest, three quarters the three largest."""
    p = np.repeat(np.array([0.9, 0.8, 0.3, 0.1], dtype=np.float32), 100)[None, None]
    shares = np.concatenate([1 - p, p]).reshape(2, 20, 20)
    for fraction, least in ((0.5, 0.8), (0.75, 0.3), (0.25, 0.9)):
        labels = follow(shares, nan(None, fraction), "measured").argmax(axis=0)
        assert labels.ravel().tolist() == (shares[1].ravel() >= np.float32(least)).astype(int).tolist()


def test_what_is_not_told_stays_free():
    shares = ramp()
    before = areas_of(shares)
    moved = follow(shares, nan(None, None, 0.1), "measured")
    after = areas_of(moved)
    assert after[2] == pytest.approx(0.1, abs=0.006)
    odds = np.log(moved[0] / moved[1]) - np.log(shares[0] / shares[1])
    assert np.abs(odds).max() < 1e-3 and after[0] > before[0] and after[1] > before[1]
    assert follow(shares, nan(None, None, None), "measured") is shares


def test_told_zero_means_absent():
    for trust in ("measured", "guess"):
        moved = follow(ramp(), nan(None, 0.3, 0.0), trust)
        assert areas_of(moved)[2] == 0 and areas_of(moved)[1] > 0
    one = follow(ramp(), np.array([0.0, 1.0, 0.0]), "measured")
    assert areas_of(one).tolist() == [0, 1, 0]


def test_telling_the_models_own_areas_changes_next_to_nothing():
    shares = ramp()
    own = areas_of(shares)
    for trust in ("measured", "guess"):
        moved = follow(shares, own, trust)
        assert (moved.argmax(axis=0) != shares.argmax(axis=0)).mean() < 0.006


def test_permuting_the_phases_permutes_the_answer():
    shares, order = ramp(), [2, 0, 1]
    told = np.array([0.2, 0.5, 0.3])
    straight = follow(shares, told, "measured").argmax(axis=0)
    turned = follow(shares[order], told[order], "measured").argmax(axis=0)
    assert (np.array(order)[turned] != straight).mean() < 0.003


def test_a_guess_lies_between_what_the_model_finds_and_what_is_told():
    own = np.array([0.5, 0.3, 0.2])
    target = target_areas(own, np.array([0.3, 0.3, 0.4]), "guess")
    assert target.sum() == pytest.approx(1) and 0.2 < target[2] < 0.4 and 0.3 < target[0] < 0.5
    sure = AreaPrior(np.full(3, 0.01))
    assert np.allclose(target_areas(own, np.array([0.3, 0.3, 0.4]), "guess", sure), own, atol=0.01)
    vague = AreaPrior(np.full(3, 50.0))
    assert np.allclose(target_areas(own, np.array([0.3, 0.3, 0.4]), "guess", vague), [0.3, 0.3, 0.4], atol=0.01)


def test_a_guess_of_a_rare_phase_is_not_taken_literally():
    """The model finds .3 %, the expert says 5.3 %, as α = .9 makes of it: the target is far nearer to the model."""
    target = target_areas(np.array([0.6, 0.397, 0.003]), nan(None, None, 0.053), "guess")
    assert target[2] < 0.02


def test_the_prior_of_the_training_pictures_pulls_with_nothing_told():
    own = np.array([0.7, 0.3])
    odds = np.log([0.9 / 0.1, 0.1 / 0.9])
    prior = AreaPrior(np.full(2, 0.5), odds, np.full(2, 0.5))
    pulled = expected_areas(own, prior)
    assert 0.1 < pulled[1] < 0.3 and pulled.sum() == pytest.approx(1)
    assert np.allclose(expected_areas(own, AreaPrior.default(2)), own, atol=1e-3)


def test_pixels_that_do_not_count_are_left_out():
    shares = ramp()
    counted = np.zeros(shares.shape[1:], dtype=bool)
    counted[:30] = True
    moved = follow(shares, np.array([0.2, 0.2, 0.6]), "measured", counted=counted)
    assert np.allclose(areas_of(moved, counted), [0.2, 0.2, 0.6], atol=0.006)


@pytest.mark.parametrize(
    ("told", "problem"),
    [((0.5, 0.6, None), "add up to 1.1"), ((0.2, 0.2, 0.2), "add up to 0.6"), ((-0.1, None, None), "lie in")],
)
def test_impossible_fractions_are_refused(told, problem):
    with pytest.raises(ValueError, match=problem):
        target_areas(np.array([0.5, 0.3, 0.2]), nan(*told), "measured")


def test_the_bias_of_a_certain_model_is_bounded_by_its_least_probability():
    shares = np.stack([np.ones((20, 30), np.float32), np.zeros((20, 30), np.float32)])
    bias = area_bias(shares, np.array([0.5, 0.5]))
    assert np.isfinite(bias).all() and np.isfinite(shares_with(shares, bias)).all()


def test_a_model_that_is_unsure_everywhere_meets_the_areas_too():
    p = np.linspace(0.49, 0.51, 6000, dtype=np.float32).reshape(60, 100)
    moved = follow(np.stack([1 - p, p]), nan(None, 0.2), "measured")
    assert areas_of(moved)[1] == pytest.approx(0.2, abs=0.004)


def test_a_model_that_is_sure_of_its_pixels_follows_a_guess_less():
    own, told = np.array([0.5, 0.5]), np.array([0.2, 0.8])
    sure, unsure = (target_areas(own, told, "guess", doubt=np.full(2, doubt)) for doubt in (0.01, 0.5))
    assert 0.5 < sure[1] < 0.52 < unsure[1] < 0.8
    assert np.allclose(unsure, target_areas(own, told, "guess"))  # doubt only limits the spread
    p = np.array([0.9, 0.2], dtype=np.float32).reshape(1, 2)
    assert doubtful_areas(np.stack([p, 1 - p])) == pytest.approx([0.15, 0.15])
    assert doubtful_areas(np.stack([p, 1 - p]), np.array([[False, True]])) == pytest.approx([0.2, 0.2])


def test_areas_of_a_large_micrograph_are_met_whatever_its_columns_hold():
    """Every eighth column is another one: looking at those alone, at a step of the width's divisor, would mislead."""
    rng = np.random.default_rng(0)
    p = rng.uniform(0.05, 0.3, (512, 1024)).astype(np.float32)
    p[:, ::8] += 0.6
    moved = follow(np.stack([1 - p, p]), nan(None, 0.4), "measured")
    assert areas_of(moved)[1] == pytest.approx(0.4, abs=0.006)

import numpy as np
import pytest

from matcurate.segmentation.fisher import (
    LinearRegressor,
    MixturePath,
    Neighbourhood,
    NeuralRegressor,
    PaperSettings,
    averaged_scores,
    fit_linear,
    fit_neural,
    mixture_path,
    pyramid_scores,
)


def noise(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.normal(size=size), axis=1).astype(np.float32) / 5


def test_the_neighbourhood_of_the_paper_has_120_predictors_without_the_centre() -> None:
    image = np.arange(11 * 13, dtype=np.float32).reshape(11, 13)
    views = list(Neighbourhood(5).shifted(image))
    assert len(views) == Neighbourhood(5).count == 120
    assert Neighbourhood(5).centre(image).tolist() == [[70, 71, 72]]  # row 5, columns 5 to 7
    assert [view[0, 0] for view in views[:2]] == [0, 1]
    assert sorted([float(view[0, 0]) for view in views] + [70.0]) == sorted(image[:, :11].ravel().tolist())
    assert all(view.base is not None for view in views)  # no copies of the image


def test_scores_of_a_linear_model_by_hand() -> None:
    image = np.array([[1, 2, 3], [4, 7, 6], [7, 8, 9]], np.float32)
    weights = np.array([0, 0, 0, 0.5, 0.5, 0, 0, 0.0])  # the left and the right neighbour
    model = LinearRegressor(Neighbourhood(1), 1.0, weights, 2.0)
    # g = 1 + 0.5 * 4 + 0.5 * 6 = 6, residual 1, divided by the variance 0.5; then times each neighbour
    assert [float(values[0, 0]) for values in model.score_maps(image)] == [0.5, 0.5, 1, 1.5, 2, 3, 3.5, 4, 4.5]


def test_scores_of_a_neural_model_are_the_gradient_of_the_log_density() -> None:
    rng = np.random.default_rng(1)
    image = rng.normal(size=(3, 3)).astype(np.float32)
    hood, parts = Neighbourhood(1), [rng.normal(size=shape) for shape in (1, 2, 2, (2, 8))]

    def log_density(theta: np.ndarray) -> float:
        bias, outer, offset, inner = theta[0], theta[1:3], theta[3:5], theta[5:].reshape(2, 8)
        x = np.array([float(view[0, 0]) for view in hood.shifted(image)])
        return float(-((float(image[1, 1]) - bias - outer @ np.tanh(inner @ x + offset)) ** 2) / (2 * 0.7))

    bias, outer, offset, inner = parts
    theta = np.concatenate([part.ravel() for part in parts])
    model = NeuralRegressor(hood, inner, offset, outer, float(bias[0]), 0.7)
    maps = [float(values[0, 0]) for values in model.score_maps(image)]
    # the maps come as bias, outer, then each neuron's offset with its inner weights
    gradient = [
        (log_density(theta + 1e-5 * step) - log_density(theta - 1e-5 * step)) / 2e-5 for step in np.eye(len(theta))
    ]
    order = [0, 1, 2, 3, *range(5, 13), 4, *range(13, 21)]
    assert maps == pytest.approx([gradient[index] for index in order], abs=1e-3)


@pytest.mark.parametrize("neural", [False, True])
def test_the_mean_score_over_the_training_pixels_is_zero(neural: bool) -> None:
    image, rng = noise((40, 56)), np.random.default_rng(0)
    every = image.size
    model = fit_neural(image, 2, every, 3, rng) if neural else fit_linear(image, 2, every, 0.0, rng)
    for values in model.score_maps(image):  # equation 2
        assert abs(float(values.mean())) < (0.15 if neural else 0.02) * float(values.std()) + 1e-4


def test_a_ridge_shifts_the_mean_score_by_its_penalty() -> None:
    image = noise((40, 56))
    model = fit_linear(image, 1, image.size, 0.5, np.random.default_rng(0))
    mean = np.array([float(values.mean()) for values in list(model.score_maps(image))[1:]])
    # at the minimum: mean of residual times centred predictor = ridge * weights
    assert mean * model.variance == pytest.approx(0.5 * model.weights, abs=2e-3)


def test_averaged_scores_start_where_a_whole_window_is_known() -> None:
    settings = PaperSettings(half=2, window=6, components=3, pixels=1000)
    field = averaged_scores(noise((60, 80)), settings, 4, np.random.default_rng(0))
    assert settings.margin == 8
    assert field.shape == (11, 16, 3)  # (60 - 16) / 4 and (80 - 16) / 4
    centred = field.reshape(-1, 3) - field.reshape(-1, 3).mean(axis=0)
    covariance = centred.T @ centred
    assert abs(covariance - np.diag(np.diag(covariance))).max() < 1e-2 * covariance[0, 0]


def test_whitened_components_have_unit_deviation() -> None:
    settings = PaperSettings(half=1, window=3, components=4, pixels=1000, whitened=True)
    field = averaged_scores(noise((60, 80)), settings, 4, np.random.default_rng(0))
    assert field.reshape(-1, 4).std(axis=0) == pytest.approx(np.ones(4), rel=0.05)


def test_scores_of_a_changed_half_have_another_mean() -> None:
    rng = np.random.default_rng(0)
    image = rng.normal(size=(96, 160)).astype(np.float32)
    image[:, 80:] = (image[:, 80:] + np.roll(image[:, 80:], 1, axis=0)) / 2**0.5  # correlated along the columns
    settings = PaperSettings(half=1, window=8, components=1)
    field = averaged_scores(image, settings, 4, rng)[..., 0]
    left, right = field[:, :14], field[:, -14:]
    assert abs(left.mean() - right.mean()) > 3 * max(left.std(), right.std())


def test_pyramid_scores_of_white_noise_have_unit_mean_square() -> None:
    image = np.random.default_rng(0).normal(size=(90, 130)).astype(np.float32)
    maps = list(pyramid_scores(image, 4, np.random.default_rng(0)))
    assert len(maps) == 3 * 50 and {values.shape for values in maps} == {(23, 33)}
    assert float(maps[1].mean()) == pytest.approx(1, abs=0.1)  # squared residual in units of its variance


def test_the_mixture_keeps_as_many_weights_as_there_are_groups() -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(centre, 0.1, (200, 2)) for centre in ((0, 0), (5, 0), (0, 5))])
    path = mixture_path(points, 6, 0)
    assert path.by_weights == path.by_elbow == 3
    assert path.weights[:3] == pytest.approx([1 / 3] * 3, abs=0.02) and max(path.weights[3:]) < 0.01


def test_rules_for_the_number_by_hand() -> None:
    assert MixturePath((0.6, 0.3, 0.06, 0.04), (100, 40, 30, 25), ()).by_weights == 3
    assert MixturePath((1.0,), (100, 40, 30, 25), ()).by_elbow == 3  # 60, 10, 5
    assert MixturePath((1.0,), (100, 110, 120, 130), ()).by_elbow == 1
    # an image smaller than a neighbourhood has none
    with pytest.raises(ValueError, match="smaller than a neighbourhood of 11"):
        Neighbourhood(5).sample(np.zeros((9, 40), np.float32), 10, np.random.default_rng(0))

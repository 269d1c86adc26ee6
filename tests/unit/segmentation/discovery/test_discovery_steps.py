import numpy as np
import pytest

from matcurate.segmentation.discovery import Metric, Scatter, Selector, Split, fit_selector, split_path
from matcurate.segmentation.discovery.metric import smoothed
from matcurate.segmentation.discovery.paths import STATISTICS, calm_places, core, nearest
from matcurate.segmentation.discovery.refinement import refined
from matcurate.segmentation.discovery.selector import evidence


def stripes(count: int, shape: tuple[int, int] = (48, 72), noise: float = 0.2, seed: int = 0) -> np.ndarray:
    """A field (h, w, 3) of ``count`` vertical stripes far from each other, and their numbers."""
    rng = np.random.default_rng(seed)
    number = np.arange(shape[1]) * count // shape[1]
    centres = 6 * np.eye(8)[:, :3] + 6 * np.roll(np.eye(8), 3, axis=1)[:, :3] * [1, -1, 1]
    field = np.broadcast_to(centres[number], (*shape, 3)) + rng.normal(0, noise, (*shape, 3))
    return field.astype(np.float32)


def test_the_metric_looks_along_what_differs_in_units_of_the_deviation_within() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([[0, 1]], 40, axis=0).repeat(30, axis=1).astype(np.uint8)
    field = rng.normal(0, [4.0, 0.5], (40, 60, 2))
    field[..., 1] += 3.0 * labels
    scatter = Scatter(2)
    scatter.add(field, labels, np.ones(labels.shape, dtype=np.bool_))
    metric = scatter.metric(dimensions=1, shrinkage=0.0)
    assert abs(metric.projection[1, 0]) == pytest.approx(1 / 0.5, rel=0.05)
    assert abs(metric.projection[0, 0]) < 0.05
    apart = metric(np.array([[0.0, 3.0]])) - metric(np.array([[0.0, 0.0]]))
    assert abs(apart.item()) == pytest.approx(6, rel=0.05)


def test_metric_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Metric(np.zeros(3, np.float32), np.zeros((4, 2), np.float32))
    with pytest.raises(ValueError, match="one collage or more"):
        Scatter(3).metric()


def test_smoothing_keeps_constants_and_mixes_no_channels() -> None:
    field = np.zeros((20, 30, 2), np.float32)
    field[..., 0] = 4
    assert np.allclose(smoothed(field, 3.0)[..., 0], 4)
    assert np.all(smoothed(field, 3.0)[..., 1] == 0)


def test_nearest_and_core_by_hand() -> None:
    field = np.array([[[0.0], [1.0], [4.0], [6.0]]])
    assert nearest(field, np.array([[0.0], [5.0]])).tolist() == [[0, 0, 1, 1]]
    mask = np.zeros((9, 20), dtype=np.bool_)
    mask[:, :10] = True
    assert core(mask)[4].tolist() == [True] * 7 + [False] * 13  # the frame is no border


def test_calm_places_avoid_the_border_of_two_textures() -> None:
    field = smoothed(stripes(2), 3.0)
    calm = calm_places(field)
    assert not calm[:, 34:38].any() and calm.mean() == pytest.approx(0.7, abs=0.02)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_path_contains_the_true_split(count: int) -> None:
    split = split_path(stripes(count), np.random.default_rng(0))[count - 1]
    truth = np.arange(72) * count // 72
    for number in range(count):
        assert len(np.unique(split.labels[:, truth == number])) == 1
    assert len(np.unique(split.labels)) == split.count == count


def test_errors_of_a_path_fall_and_the_first_has_one_cluster() -> None:
    splits = split_path(stripes(3, noise=1.0), np.random.default_rng(0))
    assert [split.count for split in splits] == [1, 2, 3, 4, 5, 6, 7]
    assert np.all(np.diff([split.error for split in splits][:3]) < 0)
    assert evidence(splits).shape == (6, STATISTICS + 1)
    assert evidence(splits)[0, -1] == pytest.approx(splits[2].statistics[0])


def test_a_selector_learns_the_number_of_stripes() -> None:
    # noise of several widths, so that the error itself does not give the number away
    counts = [1 + index % 4 for index in range(40)]
    paths = [
        split_path(smoothed(stripes(count, noise=0.5 + index % 3, seed=index), 2.0), np.random.default_rng(index))
        for index, count in enumerate(counts)
    ]
    selector = fit_selector(paths[:24], counts[:24])
    chosen = [selector.count(path) for path in paths[24:]]
    assert np.mean(np.array(chosen) == counts[24:]) >= 0.9
    assert selector.probabilities(paths[0]).sum() == pytest.approx(1)


def test_probabilities_by_hand() -> None:
    statistics = np.zeros(STATISTICS)
    statistics[0] = 1.0
    whole = np.zeros((2, 2), dtype=np.int64)
    splits = [Split(whole, np.zeros((k, 1)), 1.0, statistics * (k == 3)) for k in (1, 2, 3)]
    size = STATISTICS + 1
    inner = np.zeros((size, 1))
    inner[0] = np.arctanh(0.5)
    outer, bias = np.array([2 * np.log(9 / 4)]), np.array([np.log(4)])
    selector = Selector(np.zeros(size), np.ones(size), inner, np.zeros(1), outer, bias)
    # the split in 2 is real with odds 4 : 1, that in 3 with 4 * 9 / 4 : 1
    assert selector.real(splits) == pytest.approx([0.8, 0.9])
    # none real : only the first : both = 0.2 * 0.1 : 0.8 * 0.1 : 0.8 * 0.9
    assert selector.probabilities(splits) == pytest.approx(np.array([2, 8, 72]) / 82)
    assert selector.count(splits) == 3
    assert selector.count(splits[:1]) == 1


def test_a_selector_refuses_parts_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="do not fit inner"):
        Selector(np.zeros(3), np.ones(3), np.zeros((2, 4)), np.zeros(4), np.zeros(4), np.zeros(1))


def test_a_selector_needs_both_kinds_of_images() -> None:
    paths = [split_path(stripes(2), np.random.default_rng(0))]
    with pytest.raises(ValueError, match="images of one texture, and of several"):
        fit_selector(paths, [2])


def test_refinement_moves_a_wrong_border_back_and_permutes_with_the_clusters() -> None:
    field, truth = stripes(2), np.broadcast_to(np.arange(72) >= 36, (48, 72)).astype(np.int64)
    wrong = np.broadcast_to(np.arange(72) >= 42, (48, 72)).astype(np.int64)
    probabilities = refined(field, wrong, 2)
    assert probabilities.sum(axis=0) == pytest.approx(np.ones((48, 72)), abs=1e-5)
    assert np.array_equal(probabilities.argmax(axis=0), truth)
    assert refined(field, 1 - wrong, 2)[::-1] == pytest.approx(probabilities, abs=1e-5)

import numpy as np
import pytest

from matcurate.segmentation.boost.clustering import LEAST_SPREAD, Scaling, cluster, estimate_count


def clouds(centres: list[float], each: int = 40) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(centre, 0.3, (each, 3)) for centre in centres])


@pytest.mark.parametrize("count", [2, 3, 5])
def test_as_many_materials_are_found_as_there_are_clouds(count: int) -> None:
    assert estimate_count(clouds([6.0 * n for n in range(count)]), 6, np.random.default_rng(0)) == count


def test_one_cloud_is_one_material() -> None:
    one = np.random.default_rng(0).normal(0, 1, (300, 12))
    assert estimate_count(one, 6, np.random.default_rng(0)) == 1


def test_one_more_cluster_is_worth_three_tenths_of_the_scatters_scale() -> None:
    pairs = np.array([0, 2, 100, 102.0])[:, None]  # scatter 10004, 4, 2 and 0 for 1, 2, 3 and 4 clusters
    rng = np.random.default_rng(0)
    assert estimate_count(pairs, 2, rng) == 2  # of the scale √(10004 · 2) = 141, the third would take away 2
    apart = np.array([0, 30, 100, 130.0])[:, None]  # 10900, 900, 450: scale 2215, gains 10000 and 450
    assert estimate_count(apart, 2, rng) == 2
    even = np.array([0, 10, 20.0])[:, None]  # 200, 50 and 0
    assert estimate_count(even, 2, rng) == 2
    assert estimate_count(even, 1, rng) == 1


def test_weights_say_how_much_an_embedding_stands_for() -> None:
    values = np.concatenate([clouds([0, 6]), clouds([12])[:1]])
    few = np.append(np.ones(80), 1e-6)
    assert estimate_count(values, 6, np.random.default_rng(0), few) == 2
    assert estimate_count(values, 6, np.random.default_rng(0), np.append(np.ones(80), 40.0)) == 3


def test_equal_embeddings_are_one_material() -> None:
    assert estimate_count(np.ones((10, 2)), 6, np.random.default_rng(0)) == 1
    assert cluster(np.ones((10, 2)), 3, np.random.default_rng(0)).n_clusters == 1


def test_clusters_are_the_clouds() -> None:
    labels = cluster(clouds([0, 6]), 2, np.random.default_rng(0)).labels_
    assert len(set(labels[:40])) == len(set(labels[40:])) == 1
    assert labels[0] != labels[-1]


def test_a_feature_counts_by_what_it_varies_within_a_mask() -> None:
    regions = np.repeat([0, 1], 4)
    steady = np.repeat([0.0, 10.0], 4) + np.tile([-1.0, 1.0], 4)  # 1 within
    unsteady = np.tile([-3.0, 3.0], 4)  # 3 within
    constant = np.full(8, 7.0)
    scaling = Scaling.of(np.stack([steady, unsteady, constant], axis=1), regions, np.ones(8, np.bool_))
    assert scaling.unit == pytest.approx([1, 3, 1])
    assert scaling.centre == pytest.approx([5, 0, 7])
    assert scaling(np.array([[6.0, 3.0, 7.0]])) == pytest.approx(np.array([[1, 1, 0]]))


def test_a_steady_feature_does_not_outweigh_all_others() -> None:
    values = np.repeat([0.0, 10.0], 4)[:, None]  # 0 within, 5 as a whole
    assert Scaling.of(values, np.repeat([0, 1], 4), np.ones(8, np.bool_)).unit == pytest.approx([LEAST_SPREAD * 5])


def test_one_composite_mask_of_three_changes_no_unit() -> None:
    values = np.array([-1, 1, -1, 1, 5, 7, 5, 7, -4, 4, -4, 4.0])[:, None]
    assert Scaling.of(values, np.repeat([0, 1, 2], 4), np.ones(12, np.bool_)).unit == pytest.approx([1])


def test_without_masks_the_whole_spread_is_the_unit() -> None:
    values = np.array([[0.0], [4.0]])
    assert Scaling.of(values, np.zeros(2, np.int64), np.zeros(2, np.bool_)).unit == pytest.approx([2])

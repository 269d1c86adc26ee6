from dataclasses import replace

import numpy as np
import pytest

from matcurate.acquisition.pool import Pool
from matcurate.acquisition.strategies import STRATEGIES, choose_batch, order_by_score
from matcurate.errors import ConfigError

COUNT, CLASSES, WIDTH = 40, 3, 6
RANDOM = {"random", "kcenter"}


def drawn_pool(count: int = COUNT, seed: int = 0) -> Pool:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(CLASSES), count)
    return Pool(
        embeddings=rng.normal(size=(count, WIDTH)),
        probabilities=probabilities,
        draws=np.stack([rng.dirichlet(1 + 5 * row, 5) for row in probabilities], axis=1),
        scores={"vacuity": rng.uniform(0.05, 1, count)},
        fractions=rng.dirichlet(np.ones(2), count),
        specimens=rng.integers(0, 5, count),
        labelled=rng.normal(size=(4, WIDTH)),
    )


def chosen(strategy: str, pool: Pool, count: int = 8, seed: int = 0, quota: int | None = None) -> list[int]:
    return choose_batch(strategy, pool, count, rng=np.random.default_rng(seed), quota=quota).tolist()


@pytest.mark.parametrize("strategy", STRATEGIES)
class TestContract:
    """What every strategy keeps."""

    def test_as_many_as_asked_and_none_twice(self, strategy: str) -> None:
        for count in (0, 1, 7, COUNT, COUNT + 5):
            result = chosen(strategy, drawn_pool(), count)
            assert len(result) == min(count, COUNT)
            assert len(set(result)) == len(result)
            assert set(result) <= set(range(COUNT))

    def test_repeats_under_its_generator(self, strategy: str) -> None:
        assert chosen(strategy, drawn_pool(), seed=3) == chosen(strategy, drawn_pool(), seed=3)

    def test_leaves_the_pool_as_it_is(self, strategy: str) -> None:
        pool, same = drawn_pool(), drawn_pool()
        chosen(strategy, pool)
        for name in ("embeddings", "probabilities", "draws", "fractions", "specimens", "labelled"):
            assert np.array_equal(getattr(pool, name), getattr(same, name))
        assert np.array_equal(pool.scores["vacuity"], same.scores["vacuity"])

    def test_keeps_the_quota_while_there_are_others(self, strategy: str) -> None:
        pool = drawn_pool()
        result = chosen(strategy, pool, 10, quota=2)
        assert np.bincount(pool.specimens[result]).max() <= 2
        assert sorted(chosen(strategy, pool, COUNT, quota=1)) == list(range(COUNT))

    def test_a_pool_of_equal_candidates_is_no_trouble(self, strategy: str) -> None:
        pool = drawn_pool()
        same = replace(
            pool,
            **{
                name: np.broadcast_to(getattr(pool, name)[:1], getattr(pool, name).shape)
                for name in ("embeddings", "probabilities", "fractions")
            },
            scores={"vacuity": np.full(COUNT, 0.3)},
            draws=np.broadcast_to(pool.draws[:, :1], pool.draws.shape),
            labelled=None,
        )
        assert len(set(chosen(strategy, same, 12))) == 12

    def test_an_empty_pool_gives_nothing(self, strategy: str) -> None:
        assert chosen(strategy, Pool(np.empty((0, WIDTH)))) == []


@pytest.mark.parametrize("name", ["embeddings", "probabilities", "draws", "fractions", "labelled"])
def test_a_pool_that_is_not_finite_is_refused(name: str) -> None:
    pool = drawn_pool()
    for bad in (np.nan, np.inf):
        values = getattr(pool, name).copy()
        values.flat[3] = bad
        with pytest.raises(ValueError, match=f"{name} must be finite"):
            replace(pool, **{name: values})


@pytest.mark.parametrize("name", ["vacuity", "entropy"])
def test_scores_that_are_not_finite_negative_or_too_few_are_refused(name: str) -> None:
    pool, values = drawn_pool(), np.ones(COUNT)
    for bad, why in ((np.nan, "finite"), (np.inf, "finite"), (-0.1, "negative")):
        values[3] = bad
        with pytest.raises(ValueError, match=f"{name}.* must .*{why}"):
            replace(pool, scores={name: values})
    with pytest.raises(ValueError, match=f"{name} has shape"):
        replace(pool, scores={name: np.ones(COUNT - 1)})


def test_a_pool_that_does_not_fit_is_refused() -> None:
    pool = drawn_pool()
    with pytest.raises(ValueError, match="labelled"):
        replace(pool, labelled=np.ones((2, WIDTH + 1)))
    with pytest.raises(ValueError, match="sum to 1"):
        replace(pool, probabilities=np.ones((COUNT, CLASSES)))


@pytest.mark.parametrize(
    ("strategy", "needs"), [("evidential", "vacuity"), ("bald", "draws"), ("entropy", "probabilities")]
)
def test_what_is_missing_is_named(strategy: str, needs: str) -> None:
    with pytest.raises(ConfigError, match=f"needs {needs}"):
        chosen(strategy, Pool(np.zeros((4, 2))))
    with pytest.raises(ConfigError, match="needs specimens"):
        chosen("random", Pool(np.zeros((4, 2))), quota=1)
    with pytest.raises(ConfigError, match="use one of: random"):
        chosen("guess", Pool(np.zeros((4, 2))))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_it_needs_is_enough_and_is_what_it_ranks_by(strategy: str) -> None:
    score, values = STRATEGIES[strategy].score, np.random.default_rng(0).uniform(size=COUNT)
    pool = Pool(drawn_pool().embeddings, scores={} if score is None else {score: values})
    assert len(chosen(strategy, pool)) == 8
    order = order_by_score(strategy, pool, rng=np.random.default_rng(0))
    assert sorted(order.tolist()) == list(range(COUNT))
    assert score is None or order.tolist() == np.argsort(-values).tolist()


def test_another_seed_is_another_random_batch() -> None:
    assert chosen("random", drawn_pool(), seed=1) != chosen("random", drawn_pool(), seed=2)


def test_scores_alone_take_the_largest_first() -> None:
    pool = drawn_pool()
    assert chosen("evidential", pool, 5) == np.argsort(-pool.scores["vacuity"])[:5].tolist()
    certain = np.array([[0.9, 0.1], [0.5, 0.5], [0.7, 0.3]])
    pool = Pool(np.zeros((3, 1)), probabilities=certain, draws=np.stack([certain, certain[:, ::-1]]))
    assert chosen("entropy", pool, 3) == [1, 2, 0]
    assert chosen("margin", pool, 3) == [1, 2, 0]
    assert chosen("bald", pool, 3) == [0, 2, 1]  # the passes contradict each other most about the first


@pytest.mark.parametrize("strategy", ["entropy", "margin", "bald"])
def test_what_a_model_says_of_images_counts_before_what_follows_from_probabilities(strategy: str) -> None:
    pool = replace(drawn_pool(), scores={strategy: np.arange(COUNT, dtype=np.float64)})
    assert chosen(strategy, pool, 3) == [COUNT - 1, COUNT - 2, COUNT - 3]
    assert chosen(strategy, Pool(np.zeros((2, 1)), scores={strategy: np.array([0.1, 0.2])}), 1) == [1]


def test_k_center_takes_what_is_far_from_the_labelled_and_the_chosen() -> None:
    places = np.array([[0.0], [1.0], [10.0], [4.0]])
    result = chosen("kcenter", Pool(places, labelled=np.array([[0.0]])), 2)
    assert result == [2, 3]


def test_score_first_then_distance_by_hand() -> None:
    # Of two, six are looked at: not the last, however far it lies. After the first (at 1), 20 lies farthest.
    places = np.array([[1.0], [4.0], [7.0], [10.0], [20.0], [15.0], [30.0]])
    vacuity = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3])
    pool = Pool(places, scores={"vacuity": vacuity}, labelled=np.array([[-5.0]]))
    assert chosen("evidential-diverse", pool, 2) == [0, 4]
    # Of three all are looked at: 30 first, then 15, which lies 14 from 1.
    assert chosen("evidential-diverse", pool, 3) == [0, 6, 5]


def test_the_quota_keeps_the_score_first() -> None:
    # Specimen 0 has the three best; one of it, then the best of the others, and not what lies farthest.
    places = 5.0 * np.arange(12)[:, None]
    vacuity = np.linspace(1.0, 0.1, 12)
    pool = Pool(places, scores={"vacuity": vacuity}, specimens=np.array([0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8]))
    assert chosen("evidential-diverse", pool, 2, quota=1) == [0, 5]
    assert chosen("evidential", pool, 4, quota=1) == [0, 3, 5, 6]
    assert chosen("evidential", pool, 3, quota=2) == [0, 1, 3]


def test_rare_phases_come_first_among_equals() -> None:
    fractions = np.array([[0.9, 0.1], [0.9, 0.1], [0.5, 0.5], [0.9, 0.1]])
    places = np.eye(4) * 5
    pool = Pool(places, scores={"vacuity": np.full(4, 0.5)}, fractions=fractions)
    assert chosen("evidential-diverse", pool, 1) == [2]
    assert chosen("evidential-clusters", pool, 1) == [2]


@pytest.mark.parametrize("strategy", ["kcenter", "evidential-diverse", "evidential-clusters"])
def test_near_duplicates_are_not_shown_twice(strategy: str) -> None:
    rng = np.random.default_rng(0)
    originals = rng.normal(size=(30, 8))
    places = np.concatenate([originals, np.repeat(originals[:3], 15, axis=0) + rng.normal(0, 1e-3, (45, 8))])
    source = np.concatenate([np.arange(30), np.repeat(np.arange(3), 15)])
    vacuity = np.where(source < 3, 0.95, 0.5)
    result = chosen(strategy, Pool(places, scores={"vacuity": vacuity}), 15)
    assert len(set(source[result])) == 15
    assert len(set(source[chosen("evidential", Pool(places, scores={"vacuity": vacuity}), 15)])) <= 3


def test_what_the_expert_has_seen_is_not_shown_again() -> None:
    places = np.random.default_rng(0).normal(size=(20, 8))
    pool = Pool(places, scores={"vacuity": np.ones(20)}, labelled=places[:10] + 1e-4)
    assert min(chosen("evidential-diverse", pool, 10)) >= 10

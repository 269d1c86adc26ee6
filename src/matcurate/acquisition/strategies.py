"""The registry of strategies: from a pool to the candidates that the expert sees next.

References
----------
G. Citovsky, G. DeSalvo, C. Gentile and others, "Batch active learning at scale", NeurIPS (2021): Cluster-Margin.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from matcurate.acquisition.diversity import clustered, k_center, near_duplicates
from matcurate.acquisition.pool import Indices, Pool
from matcurate.acquisition.scores import Scores, bald, entropy, expected_gradient, margin, rarity
from matcurate.errors import ConfigError
from matcurate.types import FloatArray

BREADTH = 3
"""So many times the batch are the best, among which diversity decides."""
Score = Callable[[Pool, np.random.Generator], Scores]
Strategy = Callable[[Pool, int, np.random.Generator], Indices]


def by_score(score: Score) -> Strategy:
    """The largest scores first; ties in an order drawn from the generator."""

    def choose(pool: Pool, count: int, rng: np.random.Generator) -> Indices:
        order = rng.permutation(len(pool))
        return np.asarray(order[np.argsort(-score(pool, rng)[order], kind="stable")[:count]], dtype=np.int64)

    return choose


def by_distance(pool: Pool, count: int, rng: np.random.Generator) -> Indices:
    """Far from all that is chosen or labelled; of near-duplicates only one counts."""
    equal = np.ones(len(pool))
    kept = _representatives(pool, equal, count)
    found = k_center(pool.embeddings[kept], min(count, len(kept)), rng, labelled=pool.labelled)
    return _filled(kept[found], equal, count)


def by_score_then_distance(score: Score) -> Strategy:
    """Of the best by score x phase rarity, thrice as many as asked for, those far from each other and the labelled.

    The best of all comes first; of near-duplicates only the best counts. Score first and diversity among the best, as
    in Cluster-Margin: a product of both is won by what lies far away and hardly teaches.
    """

    def choose(pool: Pool, count: int, rng: np.random.Generator) -> Indices:
        weights = _weights(pool, score, rng)
        kept = _representatives(pool, weights, count)
        best = kept[np.argsort(-weights[kept], kind="stable")][: BREADTH * count]
        found = k_center(pool.embeddings[best], min(count, len(best)), rng, labelled=pool.labelled, first=0)
        return _filled(best[found], weights, count)

    return choose


def by_score_and_cluster(score: Score) -> Strategy:
    """The best score x phase rarity of each of as many clusters as are asked for, without near-duplicates."""

    def choose(pool: Pool, count: int, rng: np.random.Generator) -> Indices:
        weights = _weights(pool, score, rng)
        kept = _representatives(pool, weights, count)
        found = clustered(pool.embeddings[kept], weights[kept], min(count, len(kept)), rng)
        return _filled(kept[found], weights, count)

    return choose


def _vacuity(pool: Pool, rng: np.random.Generator) -> Scores:
    return pool.needed("vacuity", "evidential").astype(np.float64)


def _said_or(name: str, needed: str, derive: Callable[[FloatArray], Scores]) -> Score:
    """What the model has said under this name; else what follows from the array ``needed``."""

    def score(pool: Pool, rng: np.random.Generator) -> Scores:
        if name in pool.scores:
            return pool.scores[name].astype(np.float64)
        return derive(pool.needed(needed, name))

    return score


def _change(pool: Pool, rng: np.random.Generator) -> Scores:
    return expected_gradient(pool.needed("probabilities", "change"), pool.embeddings)


def _equal(pool: Pool, rng: np.random.Generator) -> Scores:
    return np.ones(len(pool))


_margin = _said_or("margin", "probabilities", margin)
STRATEGIES: dict[str, Strategy] = {
    "random": by_score(_equal),
    "entropy": by_score(_said_or("entropy", "probabilities", entropy)),
    "margin": by_score(_margin),
    "bald": by_score(_said_or("bald", "draws", bald)),
    "change": by_score(_change),
    "kcenter": by_distance,
    "margin-diverse": by_score_then_distance(_margin),
    "evidential": by_score(_vacuity),
    "evidential-diverse": by_score_then_distance(_vacuity),
    "evidential-clusters": by_score_and_cluster(_vacuity),
}
"""A new strategy is one entry, and passes the contract test of all."""


def choose_batch(
    strategy: str, pool: Pool, count: int, *, rng: np.random.Generator, quota: int | None = None
) -> Indices:
    """The candidates to show next, the first one first.

    Parameters
    ----------
    strategy : str
        One of :data:`STRATEGIES`.
    pool : Pool
        With what the strategy needs.
    count : int
        Not negative; a smaller pool gives all it has.
    rng : np.random.Generator
        Source of all randomness.
    quota : int, optional
        Candidates of one specimen at most, while there are others; at least 1.

    Raises
    ------
    ConfigError
        For an unknown strategy, or one that needs what the pool has not.
    ValueError
        When ``count`` is negative or ``quota`` below 1.
    """
    if strategy not in STRATEGIES:
        raise ConfigError(f"no strategy {strategy!r}; use one of: {', '.join(STRATEGIES)}")
    if count < 0 or (quota is not None and quota < 1):
        raise ValueError(f"count must not be negative and quota at least 1, got {count} and {quota}")
    wanted = min(count, len(pool))
    if not wanted:
        return np.empty(0, dtype=np.int64)
    if quota is None:
        return STRATEGIES[strategy](pool, wanted, rng)
    return _within_quota(STRATEGIES[strategy], pool, pool.needed("specimens", strategy), wanted, quota, rng)


def _within_quota(
    choose: Strategy, pool: Pool, specimens: FloatArray, count: int, quota: int, rng: np.random.Generator
) -> Indices:
    """As a strategy chooses, with at most ``quota`` of a specimen; when no other is left, without a limit."""
    chosen: list[int] = []
    taken: dict[int, int] = {}
    while len(chosen) < count:
        full = [specimen for specimen, number in taken.items() if number >= quota]
        left = np.setdiff1d(np.arange(len(pool)), chosen)
        allowed = left[~np.isin(specimens[left], full)]
        limit = quota if len(allowed) else count
        free = allowed if len(allowed) else left
        for place in free[choose(pool.part(free, chosen), count - len(chosen), rng)]:
            specimen = int(specimens[place])
            if taken.get(specimen, 0) < limit:
                taken[specimen] = taken.get(specimen, 0) + 1
                chosen.append(int(place))
    return np.array(chosen, dtype=np.int64)


def _weights(pool: Pool, score: Score, rng: np.random.Generator) -> Scores:
    weights = score(pool, rng)
    return weights if pool.fractions is None else weights * rarity(pool.fractions)


def _representatives(pool: Pool, weights: Scores, count: int) -> Indices:
    """Of each group of near-duplicates the one with the largest weight, without groups the expert has labelled from."""
    order = np.argsort(-weights, kind="stable")
    groups = near_duplicates(pool.embeddings[order])
    kept = order[np.unique(groups)]
    if pool.labelled is None or not len(pool.labelled):
        return np.asarray(kept, dtype=np.int64)
    both = np.concatenate([pool.labelled, pool.embeddings[kept]])
    fresh = near_duplicates(both)[len(pool.labelled) :] >= len(pool.labelled)
    return np.asarray(kept[fresh] if fresh.any() else kept, dtype=np.int64)


def _filled(chosen: Indices, weights: Scores, count: int) -> Indices:
    """What was chosen; where that is too few, the largest weights that are left follow."""
    order = np.argsort(-weights, kind="stable")
    rest = order[~np.isin(order, chosen)]
    return np.concatenate([chosen, rest])[:count].astype(np.int64)

"""The registry of strategies: from a pool to the candidates that the expert sees next.

References
----------
G. Citovsky, G. DeSalvo, C. Gentile and others, "Batch active learning at scale", NeurIPS (2021): Cluster-Margin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from matcurate.acquisition.diversity import clustered, k_center, near_duplicates
from matcurate.acquisition.pool import Indices, Pool
from matcurate.acquisition.scores import Scores, rarity
from matcurate.errors import ConfigError
from matcurate.types import FloatArray

BREADTH = 3
"""Diversity decides among the best candidates, this many times the batch."""
EMBEDDINGS = "embeddings"
Choose = Callable[[Pool, Scores, int, np.random.Generator], Indices]
"""From candidates and the score of each (N,), higher first, to ``count`` of them."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """A rule that chooses a batch.

    ``needs`` names what it reads of the pool: at most one score, and ``"embeddings"`` where distances count.
    """

    choose: Choose
    needs: tuple[str, ...] = ()

    @property
    def score(self) -> str | None:
        """Name of the score that it ranks by; None when all candidates are equal to it."""
        return next((name for name in self.needs if name != EMBEDDINGS), None)

    def scores(self, pool: Pool, name: str) -> Scores:
        """Score (N,) of each candidate; ConfigError, naming the strategy ``name``, when the pool has none."""
        return np.ones(len(pool)) if self.score is None else pool.score(self.score, name)


def best(pool: Pool, scores: Scores, count: int, rng: np.random.Generator) -> Indices:
    """The largest scores first; ties in an order drawn from the generator."""
    order = rng.permutation(len(pool))
    return np.asarray(order[np.argsort(-scores[order], kind="stable")[:count]], dtype=np.int64)


def far_apart(pool: Pool, scores: Scores, count: int, rng: np.random.Generator) -> Indices:
    """Far from all that is chosen or labelled; of near-duplicates only one counts."""
    kept = _representatives(pool, scores, count)
    chosen = k_center(pool.embeddings[kept], min(count, len(kept)), rng, labelled=pool.labelled)
    return _filled(kept[chosen], scores, count)


def best_far_apart(pool: Pool, scores: Scores, count: int, rng: np.random.Generator) -> Indices:
    """Of the best ``BREADTH * count`` by score x phase rarity, those far from each other and the labelled.

    The best of all comes first; of near-duplicates only the best counts. Score first and diversity among the best, as
    in Cluster-Margin: a product of both is won by what lies far away and hardly teaches.
    """
    weights = _weights(pool, scores)
    kept = _representatives(pool, weights, count)
    leading = kept[np.argsort(-weights[kept], kind="stable")][: BREADTH * count]
    chosen = k_center(pool.embeddings[leading], min(count, len(leading)), rng, labelled=pool.labelled, first=0)
    return _filled(leading[chosen], weights, count)


def best_of_clusters(pool: Pool, scores: Scores, count: int, rng: np.random.Generator) -> Indices:
    """The best score x phase rarity of each of ``count`` clusters, without near-duplicates."""
    weights = _weights(pool, scores)
    kept = _representatives(pool, weights, count)
    chosen = clustered(pool.embeddings[kept], weights[kept], min(count, len(kept)), rng)
    return _filled(kept[chosen], weights, count)


STRATEGIES: dict[str, Strategy] = {
    "random": Strategy(best),
    "entropy": Strategy(best, needs=("entropy",)),
    "margin": Strategy(best, needs=("margin",)),
    "bald": Strategy(best, needs=("bald",)),
    "kcenter": Strategy(far_apart, needs=(EMBEDDINGS,)),
    "margin-diverse": Strategy(best_far_apart, needs=("margin", EMBEDDINGS)),
    "evidential": Strategy(best, needs=("vacuity",)),
    "evidential-diverse": Strategy(best_far_apart, needs=("vacuity", EMBEDDINGS)),
    "evidential-clusters": Strategy(best_of_clusters, needs=("vacuity", EMBEDDINGS)),
}
"""A new strategy is one entry, and passes the contract test of all."""


def choose_batch(
    strategy: str, pool: Pool, count: int, *, rng: np.random.Generator, quota: int | None = None
) -> Indices:
    """The candidates to show next, the first one first, by one of :data:`STRATEGIES`.

    A pool smaller than ``count`` gives all it has. ``quota`` is the maximum number of candidates of one specimen, while
    there are others. Raises ConfigError for an unknown strategy, or one that needs what the pool has not, ValueError
    when ``count`` is negative or ``quota`` below 1.
    """
    chosen = _named(strategy)
    if count < 0 or (quota is not None and quota < 1):
        raise ValueError(f"count must not be negative and quota at least 1, got {count} and {quota}")
    size = min(count, len(pool))
    if not size:
        return np.empty(0, dtype=np.int64)
    scores = chosen.scores(pool, strategy)
    if quota is None:
        return chosen.choose(pool, scores, size, rng)
    return _within_quota(chosen.choose, pool, scores, pool.needed("specimens", strategy), size, quota, rng)


def order_by_score(strategy: str, pool: Pool, *, rng: np.random.Generator) -> Indices:
    """All candidates by the score that a strategy ranks by, without diversity; errors as of :func:`choose_batch`."""
    return best(pool, _named(strategy).scores(pool, strategy), len(pool), rng)


def _named(strategy: str) -> Strategy:
    if strategy not in STRATEGIES:
        raise ConfigError(f"no strategy {strategy!r}; use one of: {', '.join(STRATEGIES)}")
    return STRATEGIES[strategy]


def _within_quota(
    choose: Choose,
    pool: Pool,
    scores: Scores,
    specimens: FloatArray,
    count: int,
    quota: int,
    rng: np.random.Generator,
) -> Indices:
    """As ``choose`` does, with at most ``quota`` of a specimen; when no other is left, without a limit."""
    chosen: list[int] = []
    taken: dict[int, int] = {}
    while len(chosen) < count:
        full = [specimen for specimen, number in taken.items() if number >= quota]
        left = np.setdiff1d(np.arange(len(pool)), chosen)
        allowed = left[~np.isin(specimens[left], full)]
        limit = quota if len(allowed) else count
        free = allowed if len(allowed) else left
        for place in free[choose(pool.part(free, chosen), scores[free], count - len(chosen), rng)]:
            specimen = int(specimens[place])
            if taken.get(specimen, 0) < limit:
                taken[specimen] = taken.get(specimen, 0) + 1
                chosen.append(int(place))
    return np.array(chosen, dtype=np.int64)


def _weights(pool: Pool, scores: Scores) -> Scores:
    return scores if pool.fractions is None else scores * rarity(pool.fractions)


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
    """The chosen candidates; where they are too few, those of the largest weights follow."""
    order = np.argsort(-weights, kind="stable")
    rest = order[~np.isin(order, chosen)]
    return np.concatenate([chosen, rest])[:count].astype(np.int64)

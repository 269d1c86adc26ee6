"""Ratios that an expert might give in a benchmark: exact, guessed, and controls that say nothing of the picture."""

from collections.abc import Sequence

import numpy as np

from matcurate.phase.ratios import Ratio, guessed_ratio

EXACT, NONE, MEAN, OTHER = "exact", "none", "mean", "other"
ALPHA, NOISE = "alpha=", "noise="


def check_kind(kind: str) -> None:
    """Raise ValueError when a ``--ratio`` is none of those that :func:`ratios_of_kind` knows."""
    if kind in (EXACT, NONE, MEAN, OTHER):
        return
    number = _number(kind)
    if kind.startswith(ALPHA) and 0 <= number <= 1:
        return
    if kind.startswith(NOISE) and 1 <= number < float("inf"):
        return
    raise ValueError(f"{kind!r} is not exact, none, mean, other, alpha=X with X in [0, 1] or noise=X with X from 1 on")


def ratios_of_kind(kind: str, exact: Sequence[Ratio], mean: Ratio, rng: np.random.Generator) -> list[Ratio]:
    """Ratios (n,) of some pictures as an expert gives them, from their ``exact`` ones; zeros stand for "not given".

    ``none``; ``exact``; ``alpha=X``, the paper's guess of that accuracy; ``noise=X``, every fraction times or over a
    log-normal factor of about X; ``mean``, that of the training pictures; ``other``, that of the next picture (of a
    single one the mean).
    """
    check_kind(kind)
    if kind == NONE:
        return [np.zeros_like(mean) for _ in exact]
    if kind == MEAN:
        return [mean for _ in exact]
    if kind == OTHER:
        return [*exact[1:], exact[0]] if len(exact) > 1 else [mean]
    if kind.startswith(ALPHA):
        return [guessed_ratio(ratio, _number(kind)) for ratio in exact]
    if kind.startswith(NOISE):
        return [_noisy(ratio, _number(kind), rng) for ratio in exact]
    return list(exact)


def _noisy(ratio: Ratio, factor: float, rng: np.random.Generator) -> Ratio:
    changed = ratio * np.exp(np.log(factor) * rng.normal(size=len(ratio)))
    noisy: Ratio = changed / changed.sum()
    return noisy


def _number(kind: str) -> float:
    try:
        return float(kind.partition("=")[2])
    except ValueError:
        return float("nan")

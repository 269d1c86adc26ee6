"""Follow an expert's area fractions: one bias per phase on a model's probabilities, without training.

The bias makes the areas of the most probable phases meet a target. The target is what the expert has measured, or the
most probable compromise between an expert's guess and the model's own estimate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit, logsumexp, softmax

from matcurate.types import BoolMask, FloatArray, Trust

TEMPERATURES = (0.15, 0.05, 0.015, 0.005, 0.0015)
"""Softness of the areas while the bias is sought; the later ones are for models that are unsure everywhere."""
CLOSE = 0.003
"""Largest error of an area of the most probable phase, at which no lower temperature is needed."""
MOST_PIXELS = 65_536
"""Pixels that are looked at: more change an area by less than .002."""
LEAST_SHARE = 1e-6
"""Smaller probabilities are raised to this, so that a phase can be asked for where the model excludes it."""
LONGEST_STEP = 2.0
"""Largest change of a bias in one Newton step, in natural logarithms."""
STEPS = 60
OWN_SD = 0.35
"""Standard deviation of a model's own areas in log-odds, where it has not been measured."""
LEAST_SPREAD = 0.05
"""Least standard deviation of a model's own areas in log-odds, however sure it is of every pixel."""
GUESS_SD, LEAST_SD = 0.4, 0.002
"""A guess G has the standard deviation GUESS_SD √(G (1 - G)) + LEAST_SD."""
LEAST_AREA = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class AreaPrior:
    """Expected errors of a model's areas, and the areas of its training pictures: normal in log-odds, per phase.

    ``spread`` (n,) is the standard deviation of the model's own areas around the truth. ``mean`` and ``sd`` (n,)
    describe the areas in the training pictures, where they are used.
    """

    spread: FloatArray
    mean: FloatArray | None = None
    sd: FloatArray | None = None

    @classmethod
    def default(cls, phases: int) -> AreaPrior:
        """The spread that was measured on alloys and coatings, the same for each of n phases."""
        return cls(np.full(phases, OWN_SD))


def areas_of(shares: NDArray[np.floating], counted: BoolMask | None = None) -> FloatArray:
    """Area fraction (n,) of each phase being the most probable one, of probabilities (n, H, W).

    Pixels that do not count (H, W) are left out.
    """
    labels = shares.argmax(axis=0)
    ids = labels if counted is None else labels[counted]
    return np.asarray(np.bincount(ids.ravel(), minlength=len(shares)) / max(1, ids.size), dtype=np.float64)


def doubtful_areas(shares: NDArray[np.floating], counted: BoolMask | None = None) -> FloatArray:
    """Area fraction (n,) by which each phase may be too large or small: mean of min(p, 1 - p) of (n, H, W)."""
    doubt = np.minimum(shares, 1 - shares)
    return np.asarray((doubt.reshape(len(doubt), -1) if counted is None else doubt[:, counted]).mean(axis=1))


def target_areas(
    own: FloatArray, told: FloatArray, trust: Trust, prior: AreaPrior | None = None, doubt: FloatArray | None = None
) -> FloatArray:
    """Area fractions (n,) to aim at, from the model's own ``own`` (n,) and the expert's ``told`` (n,), nan where free.

    Measured: what is told, and nan for the rest. Guess: the mode of the model's estimate (normal in log-odds) times the
    told values (normal), on the simplex; 0 means that the phase is absent. Where the model is sure of its pixels, the
    ``doubt`` (n,) of its areas limits their spread. Raises ValueError for fractions outside [0, 1], or that leave
    nothing for a free phase.
    """
    is_told = np.isfinite(told)
    given = told[is_told]
    if own.shape != told.shape or ((given < 0) | (given > 1)).any():
        raise ValueError(f"area fractions must lie in [0, 1], one for each of {len(own)} phases, got {told.tolist()}")
    total = given.sum()
    if total > 1 + 1e-6 or (is_told.all() and abs(total - 1) > 1e-6):
        raise ValueError(f"the told area fractions add up to {total:.3g}; correct them to 1, or less with a free phase")
    if trust == "measured" or not is_told.any():
        return told.astype(np.float64)
    prior = prior or AreaPrior.default(len(own))
    if doubt is not None:
        odds = doubt / np.maximum(own * (1 - own), LEAST_AREA)
        prior = replace(prior, spread=np.minimum(prior.spread, odds.clip(LEAST_SPREAD)))
    return _most_probable(own, told, prior)


def expected_areas(own: FloatArray, prior: AreaPrior) -> FloatArray:
    """Most probable area fractions (n,) with nothing told: the model's own and those of the training pictures."""
    return _most_probable(own, np.full(len(own), np.nan), prior)


def _most_probable(own: FloatArray, told: FloatArray, prior: AreaPrior) -> FloatArray:
    """Mode on the simplex of the model's estimate, the prior and what is told."""
    is_told = np.isfinite(told)
    present = ~(is_told & (told == 0))
    centre = logit(own.clip(LEAST_AREA, 1 - LEAST_AREA))
    goal = np.where(is_told, told, 0.0)
    told_sd = GUESS_SD * np.sqrt(goal * (1 - goal)) + LEAST_SD

    def loss(z: FloatArray) -> float:
        areas = np.zeros(len(own))
        areas[present] = softmax(z)
        odds = logit(areas[present].clip(1e-9, 1 - 1e-9))
        value = (((odds - centre[present]) / prior.spread[present]) ** 2).sum()
        if prior.mean is not None and prior.sd is not None:
            value += (((odds - prior.mean[present]) / prior.sd[present]) ** 2).sum()
        value += (((areas - goal) / told_sd)[is_told & present] ** 2).sum()
        return float(value / 2)

    start = np.log(expit(centre[present]))
    areas = np.zeros(len(own))
    areas[present] = softmax(minimize(loss, start, method="BFGS").x) if present.sum() > 1 else 1.0
    return areas


def area_bias(shares: NDArray[np.floating], target: FloatArray, counted: BoolMask | None = None) -> FloatArray:
    """Bias (n,) on log-probabilities (n, H, W) so that the most probable phases have the target's areas (n,).

    Phases whose target is nan are free and have no bias; -inf for a target of 0. Only pixels that count (H, W) are
    looked at. Convex: the areas, through a softmax of low temperature, are the gradient of a mean of log-sum-exp.
    """
    n = len(shares)
    absent = target == 0
    bias = np.where(absent, -np.inf, 0.0)
    solved = np.isfinite(target) & ~absent
    if not (~np.isfinite(target)).any():  # all are told: only differences matter
        solved[np.flatnonzero(solved)[np.argmax(target[solved])]] = False
    if not solved.any() or (~absent).sum() < 2:
        return bias
    flat = shares.reshape(n, -1)
    among = flat if counted is None else flat[:, counted.ravel()]
    pixels = among[:, :: _stride(among.shape[1], shares.shape[2])]
    logs = np.log(pixels[~absent].T.clip(LEAST_SHARE), dtype=np.float64)
    chosen = solved[~absent]
    goal = target[~absent]
    step: FloatArray = np.zeros(int((~absent).sum()), dtype=np.float64)
    for temperature in TEMPERATURES:
        step = _solve(logs, step, goal, chosen, temperature)
        areas = np.bincount((logs + step).argmax(axis=1), minlength=len(goal)) / len(logs)
        if np.abs(areas - goal)[chosen].max() < CLOSE:
            break
    bias[~absent] = step
    return bias


def _stride(pixels: int, width: int) -> int:
    """Step between the sampled pixels; it shares no divisor with the width, so that all columns are sampled."""
    step = -(-pixels // MOST_PIXELS)
    while step > 1 and math.gcd(step, width) > 1:
        step += 1
    return step


def _solve(logs: FloatArray, start: FloatArray, goal: FloatArray, chosen: BoolMask, temperature: float) -> FloatArray:
    """Damped Newton: bias (m,) for log-probabilities (N, m) whose soft areas meet the goal where chosen."""

    def value(bias: FloatArray) -> float:
        mean = logsumexp((logs + bias) / temperature, axis=1).mean()
        return float(temperature * mean - (goal * bias)[chosen].sum())

    bias = start.copy()
    current = value(bias)
    for _ in range(STEPS):
        soft = softmax((logs + bias) / temperature, axis=1)
        areas = soft.mean(axis=0)
        gradient = (areas - goal)[chosen]
        if np.abs(gradient).max() < 1e-4:
            break
        hessian = (np.diag(areas) - soft.T @ soft / len(soft))[np.ix_(chosen, chosen)] / temperature
        move = -np.linalg.solve(hessian + 1e-4 * np.eye(len(gradient)), gradient)
        move *= min(1.0, LONGEST_STEP / np.abs(move).max())
        for _ in range(12):
            trial = bias.copy()
            trial[chosen] += move
            after = value(trial)
            if after < current:
                break
            move /= 2
        else:
            break
        bias, current = trial, after
    return bias


def shares_with(shares: NDArray[np.float32], bias: FloatArray) -> NDArray[np.float32]:
    """Probabilities (n, H, W) after a bias (n,): p_k exp(b_k), normalised."""
    weights = np.exp(bias - bias.max()).astype(np.float32)[:, None, None]
    moved = np.maximum(shares, np.float32(LEAST_SHARE)) * weights
    result: NDArray[np.float32] = moved / moved.sum(axis=0)
    return result


def follow(
    shares: NDArray[np.float32],
    told: FloatArray,
    trust: Trust,
    prior: AreaPrior | None = None,
    counted: BoolMask | None = None,
) -> NDArray[np.float32]:
    """Probabilities (n, H, W) that follow what an expert has told (n,), nan where free; see :func:`target_areas`."""
    if not np.isfinite(told).any():
        return shares
    target = target_areas(areas_of(shares, counted), told, trust, prior, doubtful_areas(shares, counted))
    return shares_with(shares, area_bias(shares, target, counted))

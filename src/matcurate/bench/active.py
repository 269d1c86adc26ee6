"""Active learning, played through: how many crops an expert must label until a model is as good as with all of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matcurate.acquisition.strategies import STRATEGIES, choose_batch
from matcurate.bench.crop_pool import CropPool, build_pool
from matcurate.bench.folders import class_names, labelled_pictures
from matcurate.config import Settings, load_preset
from matcurate.errors import ConfigError
from matcurate.learned.embedders import embedder_of
from matcurate.phase.build import Base, PhaseSettings, base_of, build_model
from matcurate.phase.scores import mean_of, phase_dice
from matcurate.promptable.registry import OFFLINE
from matcurate.types import Progress, silent
from matcurate.uncertainty.pixels import PixelHead, PixelSettings
from matcurate.workflows.home import learning_backbone

CROP = 256
HEAD = PixelSettings(pixels=2000)
SHARE = 0.95
"""Part of the full-data Dice that is to be reached."""
NEEDED: dict[str, tuple[str, ...]] = {
    "random": (),
    "kcenter": (),
    "entropy": ("entropy",),
    "margin": ("margin",),
    "margin-diverse": ("margin",),
    "bald": ("bald",),
}
"""Scores that a strategy looks at, where that is not vacuity."""


@dataclass(frozen=True, slots=True)
class StrategyCurve:
    """How a strategy went.

    Parameters
    ----------
    dice, deviation : tuples of float
        Mean over the seeds after each round, and their standard deviation.
    per_seed : tuple of tuples of float
        Dice after each round, for each seed.
    area : float
        Under the mean curve, over the labelled crops, divided by their range: a mean Dice.
    images_to_target : int or None
        Labelled crops at the first round whose mean Dice reaches the target; None where none does.
    images_to_target_per_seed : tuple of int or None
        The same of each seed by itself.
    share_of_random : float or None
        ``images_to_target`` over that of random; None without one of them.
    """

    dice: tuple[float, ...]
    deviation: tuple[float, ...]
    per_seed: tuple[tuple[float, ...], ...]
    area: float
    images_to_target: int | None
    images_to_target_per_seed: tuple[int | None, ...]
    share_of_random: float | None


@dataclass(frozen=True, slots=True)
class ActiveBenchmark:
    """All strategies on one pool; ``labelled`` has the crops after each round, ``full_dice`` is with all of them."""

    train: str
    val: str
    backbone: str
    base_sha256: str
    preset: str
    crop: int
    pool: int
    batch: int
    rounds: int
    seeds: tuple[int, ...]
    phases: tuple[str, ...]
    full_dice: float
    target: float
    labelled: tuple[int, ...]
    seconds: float
    strategies: dict[str, StrategyCurve]


@dataclass(frozen=True, slots=True)
class ActiveChoice:
    """What is played.

    Parameters
    ----------
    strategies : tuple of str
        Of :data:`matcurate.acquisition.strategies.STRATEGIES`, none twice.
    rounds, batch : int
        So many times so many crops are labelled; the first batch is drawn at random, the same for all strategies.
    seeds : int
        Repetitions, from ``seed`` on.
    crop : int
        Edge of a crop in pixels.
    preset : str, optional
        Of ``configs/phase``: its magnification counts.
    backbone : str, optional
        Registry name; that of the settings, where ``auto`` stands for ``builtin``.
    seed : int
        The first seed, not negative.

    Raises
    ------
    ConfigError
        For an unknown strategy, or numbers that are too small.
    """

    strategies: tuple[str, ...] = ("random", "entropy", "margin", "bald", "kcenter", "evidential", "evidential-diverse")
    rounds: int = 10
    batch: int = 4
    seeds: int = 3
    crop: int = CROP
    preset: str | None = None
    backbone: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = [name for name in self.strategies if name not in STRATEGIES]
        if unknown or not self.strategies or len(set(self.strategies)) != len(self.strategies):
            raise ConfigError(
                f"strategies {', '.join(unknown or self.strategies) or 'none'}: name some of "
                f"{', '.join(STRATEGIES)}, each once"
            )
        if min(self.rounds, self.batch, self.seeds) < 1 or self.crop < 32 or self.seed < 0:
            raise ConfigError("rounds, batch and seeds must be at least 1, the crop 32, the seed 0")


def bench_active(
    train_folder: Path,
    val_folder: Path,
    choice: ActiveChoice,
    *,
    settings: Settings,
    head: PixelSettings = HEAD,
    progress: Progress = silent,
) -> ActiveBenchmark:
    """Label crops of one dataset folder round by round, and measure on another after each round.

    What learns is a pixel head on frozen features, begun anew in every round: differences are those of the crops.

    Parameters
    ----------
    train_folder, val_folder : Path
        Dataset folders.
    choice : ActiveChoice
        What is played.
    settings : Settings
        Of the installation.
    head : PixelSettings
        Of what learns.
    progress : Progress
        Told crops looked at, then rounds.

    Raises
    ------
    ConfigError
        For an unknown preset or backbone, or one without weights, and a pool smaller than one batch.
    CheckpointError
        When the backbone's checkpoint is not at hand.
    DatasetError, UnreadableImageError
        When a folder cannot be read, or VAL has a phase that TRAIN has not.
    """
    begun = time.perf_counter()
    pool, base, preset = _prepared(train_folder, val_folder, choice, settings, progress)
    seeds = tuple(range(choice.seed, choice.seed + choice.seeds))
    full = float(np.mean([_dice(pool, pool.learn(range(len(pool)), head, seed)) for seed in seeds]))
    counts = _counts(choice, len(pool))
    played: dict[str, list[list[float]]] = {name: [] for name in choice.strategies}
    for number, (name, seed) in enumerate(product(choice.strategies, seeds)):
        progress(number, len(choice.strategies) * len(seeds), f"{name}, seed {seed}")
        played[name].append(_play(pool, name, counts, head, seed))
    target = SHARE * full
    random = _first(counts, np.mean(played["random"], axis=0), target) if "random" in played else None
    return ActiveBenchmark(
        train=str(train_folder),
        val=str(val_folder),
        backbone=base.name,
        base_sha256=base.sha256,
        preset=preset,
        crop=choice.crop,
        pool=len(pool),
        batch=choice.batch,
        rounds=len(counts),
        seeds=seeds,
        phases=pool.classes,
        full_dice=full,
        target=target,
        labelled=counts,
        seconds=time.perf_counter() - begun,
        strategies={name: _curve(counts, dice, target, random) for name, dice in played.items()},
    )


def _prepared(
    train_folder: Path, val_folder: Path, choice: ActiveChoice, settings: Settings, progress: Progress
) -> tuple[CropPool, Base, str]:
    """The crops as the backbone sees them, what it is, and the preset's name."""
    backbone = learning_backbone(choice.backbone, settings)
    base = base_of(backbone)
    preset = load_preset(choice.preset or ("builtin" if base.name == OFFLINE else "sam"), PhaseSettings, "phase")
    pictures = (labelled_pictures(train_folder, settings), labelled_pictures(val_folder, settings))
    classes = class_names(train_folder, *pictures)
    model = build_model(backbone, len(classes), preset.model.model_copy(update={"plm": None}), choice.seed)
    pool = build_pool(model, embedder_of(backbone), pictures, classes, choice.crop, progress)
    if choice.batch > len(pool):
        raise ConfigError(f"{train_folder}: {len(pool)} crops are no batch of {choice.batch}; choose a smaller --batch")
    return pool, base, preset.name


def _counts(choice: ActiveChoice, pool: int) -> tuple[int, ...]:
    """Labelled crops after each round, no more than there are."""
    wanted = (min(pool, choice.batch * done) for done in range(1, choice.rounds + 1))
    return tuple(dict.fromkeys(wanted))


def _play(pool: CropPool, strategy: str, counts: Sequence[int], settings: PixelSettings, seed: int) -> list[float]:
    """Dice after each round of one repetition."""
    first = np.random.default_rng(seed).permutation(len(pool))[: counts[0]]
    labelled, rng = [int(place) for place in first], np.random.default_rng((seed, 1))
    head = pool.learn(labelled, settings, seed)
    dice = [_dice(pool, head)]
    for count in counts[1:]:
        left = sorted(set(range(len(pool))) - set(labelled))
        seen = pool.arrays(head, labelled, left, NEEDED.get(strategy, ("vacuity",)))
        labelled += [left[place] for place in choose_batch(strategy, seen, count - len(labelled), rng=rng)]
        head = pool.learn(labelled, settings, seed)
        dice.append(_dice(pool, head))
    return dice


def _dice(pool: CropPool, head: PixelHead) -> float:
    """Mean over the phases of their Dice, each over all pixels that are measured on."""
    found, truth = (
        np.concatenate([each.ravel() for each in maps])
        for maps in (pool.found(head), [each.labels for each in pool.measured])
    )
    return mean_of(phase_dice(found, truth, len(pool.classes))) or 0.0


def _curve(
    counts: tuple[int, ...], dice: Sequence[Sequence[float]], target: float, random: int | None
) -> StrategyCurve:
    mean = np.mean(dice, axis=0)
    reached = _first(counts, mean, target)
    wide = counts[-1] - counts[0]
    return StrategyCurve(
        dice=tuple(float(value) for value in mean),
        deviation=tuple(float(value) for value in np.std(dice, axis=0)),
        per_seed=tuple(tuple(each) for each in dice),
        area=float(np.trapezoid(mean, counts) / wide) if wide else float(mean[0]),
        images_to_target=reached,
        images_to_target_per_seed=tuple(_first(counts, each, target) for each in dice),
        share_of_random=reached / random if reached and random else None,
    )


def _first(counts: Sequence[int], dice: Sequence[float] | NDArray[np.float64], target: float) -> int | None:
    """Labelled crops at the first round that reaches the target."""
    return next((count for count, value in zip(counts, dice, strict=True) if value >= target), None)

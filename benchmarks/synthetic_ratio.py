"""A project whose phases differ by told numbers only: what telling the areas is worth there.

    python benchmarks/synthetic_ratio.py

Generated micrographs of three phases with overlapping grey levels and a contrast below the noise; six to learn from,
eight to measure on, whose areas differ from picture to picture between .1 and .6.
"""

import argparse

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from matcurate.bench.dice import dice_of_classes, mean_dice, segmented
from matcurate.bench.ratio_kinds import ratios_of_kind
from matcurate.config import load_preset, load_settings
from matcurate.phase.area_prior import measure_areas
from matcurate.phase.build import PhaseSettings, build_model
from matcurate.phase.ratios import Ratio, exact_ratio
from matcurate.phase.samples import Picture
from matcurate.phase.trainer import train
from matcurate.workflows.home import learning_backbone

SHAPE = (160, 224)
LEVELS = (0.40, 0.50, 0.60)
"""Grey of the phases; the noise has .12, so that neighbours overlap by two thirds."""
NOISE, SHADE = 0.12, 0.08
"""Standard deviation of a pixel's noise, and of a picture's brightness: it hides how much of the grey is a phase."""
KINDS = ("none", "exact", "alpha=0.9", "alpha=0.7", "noise=1.3", "noise=1.7", "mean", "other")


def main() -> None:
    """Train without module, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    rows: dict[tuple[str, str], list[float]] = {}
    for seed in range(options.seeds):
        for name, dice in measured(seed, options.steps).items():
            rows.setdefault(name, []).append(100 * dice)
    print("| told | trust | Dice | gain |\n|---|---|---|---|")
    untold = np.array(rows["none", "guess"])
    for (kind, trust), dices in rows.items():
        gain = np.array(dices) - untold
        print(f"| {kind} | {trust} | {np.mean(dices):.1f} ± {np.std(dices):.1f} | {gain.mean():+.1f} |")


def measured(seed: int, steps: int) -> dict[tuple[str, str], float]:
    """Dice by kind of ratio and trust, of a model that has learned from six pictures."""
    rng = np.random.default_rng(seed)
    learned, shown = [generated(rng) for _ in range(6)], [generated(rng) for _ in range(8)]
    settings, preset = load_settings(), load_preset("builtin", PhaseSettings, "phase")
    backbone = learning_backbone("builtin", settings, False)
    model = build_model(backbone, 3, preset.model.model_copy(update={"plm": None}), seed)
    sampling = preset.train.sampling.model_copy(update={"crop": 128})
    changed = {"steps": steps, "warmup": steps // 5, "validate_every": steps // 2, "sampling": sampling}
    train(model, learned[:5], preset.train.model_copy(update=changed), seed=seed, validation=learned[5:])
    prior = measure_areas(model, learned[:5], learned[5:]).prior()
    truth = [picture.labels for picture in shown]
    exact: list[Ratio] = [exact_ratio(labels, 3) for labels in truth]
    mean = np.mean([exact_ratio(picture.labels, 3) for picture in learned], axis=0)
    table = {}
    for kind in KINDS:
        for trust in ("guess", "measured") if kind != "none" else ("guess",):
            ratios = ratios_of_kind(kind, exact, mean, np.random.default_rng((seed, 1)))
            labels = segmented(model, shown, ratios, trust, prior)  # type: ignore[arg-type]
            table[kind, trust] = mean_dice(dice_of_classes(labels, truth, 3))
    return table


def generated(rng: np.random.Generator) -> Picture:
    """Three phases of areas between .1 and .6: a smooth field cut at its quantiles, the matrix in its middle."""
    while True:
        areas = rng.dirichlet(np.ones(3))
        if areas.min() > 0.1 and areas.max() < 0.6:
            break
    field = gaussian_filter(rng.normal(size=SHAPE), 6, mode="wrap")
    low, high = np.quantile(field, [areas[1], areas[1] + areas[0]])
    labels = np.where(field < low, 1, np.where(field < high, 0, 2)).astype(np.uint8)
    grey: NDArray[np.float64] = np.array(LEVELS)[np.array([1, 0, 2])[labels]] + rng.normal(0, NOISE, SHAPE)
    return Picture("generated", (grey + rng.normal(0, SHADE)).clip(0, 1).astype(np.float32), labels)


if __name__ == "__main__":
    main()

"""The tables of told ratios in docs/methods/phase-learning.md: train once, then tell a model every kind of ratio.

    python benchmarks/ratio.py DATA --out runs

DATA holds superalloy/ and ebc/, each with train/ and val/. Every training, without module, is a file of the folder
``runs`` with the probabilities of the pictures of val, and every evaluation one beside it; what is in there is not made
again, so that a run that was killed goes on. ``--no-train`` prints the tables of what is there.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from matcurate.bench.dice import dice_of_classes, mean_dice
from matcurate.bench.finetune import PRESETS, split_validation
from matcurate.bench.folders import class_names, labelled_pictures
from matcurate.bench.ratio_kinds import ratios_of_kind
from matcurate.config import load_preset, load_settings
from matcurate.phase.area_prior import area_statistics
from matcurate.phase.build import PhaseSettings, build_model
from matcurate.phase.constrained import AreaPrior, area_bias, areas_of, expected_areas, follow, shares_with
from matcurate.phase.inference import phase_shares
from matcurate.phase.model import PhaseModel
from matcurate.phase.plm import PlmSettings
from matcurate.phase.ratios import Ratio, exact_ratio, no_ratio
from matcurate.phase.samples import Picture
from matcurate.phase.trainer import train
from matcurate.types import UNKNOWN, Trust
from matcurate.workflows.home import learning_backbone

DATASETS = {"superalloy": "builtin", "ebc": "layers"}
"""Datasets and the presets that they are learned with."""
STEPS = {"superalloy": {1: 100, 2: 120, 4: 200, 0: 300}, "ebc": {1: 100, 2: 150, 4: 200, 0: 350}}
"""Training steps by the number of pictures, 0 for all of them."""
KINDS = ("exact", "alpha=0.9", "alpha=0.7", "noise=1.3", "noise=1.7", "mean", "other")
SWEEP = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
DRAWS = 3
"""Ratios that are drawn for each picture where the kind is random."""
PRIOR = "own and prior"
"""Row of nothing told, but the model's own areas weighed against those of the training pictures."""

Rows = dict[str, float]


def main() -> None:
    """Train and evaluate what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--no-train", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for seed in range(0 if options.no_train else options.seeds):
        for dataset, counts in STEPS.items():
            for count in counts:
                path = options.out / f"{dataset}-{count}-{seed}.npz"
                if not path.exists():
                    train_once(options.data / dataset, count, seed, path)
    for dataset, counts in STEPS.items():
        table(options.out, dataset, list(counts))


@dataclass(frozen=True)
class TrainedOn:
    """A trained model, the pictures it learned from, those for early stopping, and those of val."""

    model: PhaseModel
    learned: list[Picture]
    kept: list[Picture]
    measured: list[Picture]


def trained(folder: Path, count: int, seed: int, plm: PlmSettings | None = None) -> TrainedOn:
    """Train on ``count`` pictures of a dataset, 0 for all of them."""
    settings, dataset = load_settings(), folder.name
    preset = load_preset(DATASETS[dataset], PhaseSettings, PRESETS)
    pictures, measured = (labelled_pictures(folder / part, settings) for part in ("train", "val"))
    phases = class_names(folder / "train", pictures, measured)
    order = np.random.default_rng((seed, 7)).permutation(len(pictures))[: count or None]
    learned, kept = split_validation([pictures[index] for index in order], preset.validation_share, seed)
    backbone = learning_backbone("builtin", settings, False)
    model = build_model(backbone, len(phases), preset.model.model_copy(update={"plm": plm}), seed)
    steps = STEPS[dataset][count]
    changed = {"steps": steps, "validate_every": steps // 4, "warmup": min(60, steps // 5)}
    train(model, learned, preset.train.model_copy(update=changed), seed=seed, validation=kept)
    return TrainedOn(model, learned, kept, measured)


def train_once(folder: Path, count: int, seed: int, path: Path) -> None:
    """Keep the probabilities of val and of the part for early stopping."""
    run = trained(folder, count, seed)
    phases, content = run.model.phases, {}
    for name, part in (("val", run.measured), ("kept", run.kept)):
        for index, picture in enumerate(part):
            shares = phase_shares(run.model, picture.grey, no_ratio(phases))
            content |= {f"{name}{index}": shares.astype(np.float16), f"{name}{index}_truth": picture.labels}
    counts = [np.bincount(picture.labels.ravel(), minlength=256)[:phases] for picture in run.learned]
    temporary = path.with_suffix(".part.npz")
    np.savez(temporary, **content, learned=np.array(counts))  # type: ignore[arg-type]
    temporary.replace(path)


@dataclass(frozen=True)
class Predicted:
    """Probabilities (n, H, W) of the pictures of val, their truth, and what training has measured."""

    shares: list[NDArray[np.float32]]
    truth: list[NDArray[np.uint8]]
    prior: AreaPrior
    pictures_prior: AreaPrior
    mean: Ratio

    @classmethod
    def read(cls, path: Path) -> "Predicted":
        """Read a training's file."""
        with np.load(path) as file:
            content = dict(file)
        val, kept = (
            [(content[f"{name}{k}"].astype(np.float32), content[f"{name}{k}_truth"]) for k in range(len(content))
             if f"{name}{k}" in content] for name in ("val", "kept")
        )  # fmt: skip
        phases = len(val[0][0])
        learned = [counts / counts.sum() for counts in content["learned"]]
        true = [*learned, *(exact_ratio(truth, phases) for _, truth in kept)]
        own = np.array([areas_of(shares, truth != UNKNOWN) for shares, truth in kept]).reshape(len(kept), phases)
        found = area_statistics(np.array(true), own)
        with_mean = AreaPrior(np.array(found.spread), np.array(found.mean), np.array(found.sd))
        mean: Ratio = np.mean(learned, axis=0)
        return cls([s for s, _ in val], [t for _, t in val], found.prior(), with_mean, mean)

    @property
    def exact(self) -> list[Ratio]:
        """Ratio of every picture."""
        return [exact_ratio(truth, len(self.mean)) for truth in self.truth]

    def dice(self, ratios: Sequence[Ratio] | None, trust: Trust = "guess") -> float:
        """Dice in points, told a ratio each, or None."""
        labels = []
        for index, (shares, truth) in enumerate(zip(self.shares, self.truth, strict=True)):
            moved = shares if ratios is None else follow(shares, ratios[index], trust, self.prior, truth != UNKNOWN)
            labels.append(moved.argmax(axis=0).astype(np.uint8))
        return 100 * mean_dice(dice_of_classes(labels, self.truth, len(self.mean)))

    def thinned(self) -> "Predicted":
        """Some 65,000 pixels of every picture, for the curves."""
        steps = [max(1, round((truth.size / 65_536) ** 0.5)) for truth in self.truth]
        shares = [shares[:, ::step, ::step] for shares, step in zip(self.shares, steps, strict=True)]
        truth = [truth[::step, ::step] for truth, step in zip(self.truth, steps, strict=True)]
        return Predicted(shares, truth, self.prior, self.pictures_prior, self.mean)


def evaluated(path: Path) -> Rows:
    """Dice of a training at every kind of ratio, slopes and the sweep over α; kept beside its file."""
    kept = path.with_suffix(".json")
    if kept.exists():
        rows: Rows = json.loads(kept.read_text())
        return rows
    predicted = Predicted.read(path)
    rows = {"none": predicted.dice(None), PRIOR: expected_dice(predicted)}
    rows |= dict(kinds(predicted))
    thin = predicted.thinned()
    rows["thin none"] = thin.dice(None)
    for trust in get_args(Trust):
        rows[f"slope {trust}"] = slope(thin, trust)
        for alpha in SWEEP:
            given = ratios_of_kind(f"alpha={alpha}", thin.exact, thin.mean, np.random.default_rng(0))
            rows[f"sweep {alpha} {trust}"] = thin.dice(given, trust)
    kept.write_text(json.dumps(rows))
    return rows


def kinds(predicted: Predicted) -> Iterator[tuple[str, float]]:
    """Dice at every kind of ratio and trust."""
    for kind in KINDS:
        for trust in get_args(Trust):
            draws = DRAWS if kind.startswith("noise") else 1
            told = [
                ratios_of_kind(kind, predicted.exact, predicted.mean, np.random.default_rng(draw))
                for draw in range(draws)
            ]
            yield f"{kind} {trust}", float(np.mean([predicted.dice(ratios, trust) for ratios in told]))


def expected_dice(predicted: Predicted) -> float:
    """Dice with nothing told, the model's own areas weighed against those of the training pictures."""
    labels = []
    for shares, truth in zip(predicted.shares, predicted.truth, strict=True):
        counted = truth != UNKNOWN
        target = expected_areas(areas_of(shares, counted), predicted.pictures_prior)
        moved = shares_with(shares, area_bias(shares, target, counted))
        labels.append(moved.argmax(axis=0).astype(np.uint8))
    return 100 * mean_dice(dice_of_classes(labels, predicted.truth, len(predicted.mean)))


def slope(predicted: Predicted, trust: Trust) -> float:
    """Response slope of six ratios for each picture."""
    given, areas = [], []
    for shares, truth, exact in zip(predicted.shares, predicted.truth, predicted.exact, strict=True):
        counted = truth != UNKNOWN
        given.append(noisy_ratios(exact, 6))
        moved = (follow(shares, each, trust, predicted.prior, counted) for each in given[-1])
        areas.append(np.array([areas_of(each, counted) for each in moved]))
    return response_slope(given, areas)


def noisy_ratios(exact: Ratio, count: int) -> NDArray[np.float64]:
    """Ratios (count, n) of one picture, each within about × or ÷ 1.7 of the exact one."""
    rng = np.random.default_rng(5)
    return np.array([ratios_of_kind("noise=1.7", [exact], exact, rng)[0] for _ in range(count)])


def response_slope(given: Sequence[NDArray[np.float64]], areas: Sequence[NDArray[np.float64]]) -> float:
    """Slope of predicted over given areas, both (N, n) for each picture, around their means."""
    x, y = (np.concatenate([each - each.mean(axis=0) for each in one]) for one in (given, areas))
    return float((x * y).sum() / (x**2).sum())


def table(folder: Path, dataset: str, counts: Sequence[int]) -> None:
    """Print Dice and gains of a dataset: mean over the seeds, ± their standard deviation."""
    runs = {count: [evaluated(path) for path in sorted(folder.glob(f"{dataset}-{count}-*.npz"))] for count in counts}
    runs = {count: rows for count, rows in runs.items() if rows}
    columns = " | ".join(f"{count or 'all'} ({len(rows)} seeds)" for count, rows in runs.items())
    print(f"\n| {dataset}: told | trust | {columns} |")
    print(f"|---|---|{'---|' * len(runs)}")
    print(f"| nothing | – | {' | '.join(spread([row['none'] for row in rows]) for rows in runs.values())} |")
    names = [(PRIOR, PRIOR, "–"), *((f"{k} {t}", k, t) for t in get_args(Trust) for k in KINDS)]
    for key, kind, trust in names:
        print(f"| {kind} | {trust} | {' | '.join(gain(rows, key, 'none') for rows in runs.values())} |")
    for trust in get_args(Trust):
        print(
            f"| slope | {trust} | {' | '.join(spread([r[f'slope {trust}'] for r in rows]) for rows in runs.values())} |"
        )
        for alpha in SWEEP:
            cells = " | ".join(gain(rows, f"sweep {alpha} {trust}", "thin none") for rows in runs.values())
            print(f"| α = {alpha} | {trust} | {cells} |")
        print(f"| break-even α | {trust} | {' | '.join(break_even(rows, trust) for rows in runs.values())} |")


def break_even(rows: Sequence[Mapping[str, float]], trust: Trust) -> str:
    """Smallest α of the sweep from which on telling costs nothing on the mean."""
    gains = [np.mean([row[f"sweep {alpha} {trust}"] - row["thin none"] for row in rows]) for alpha in SWEEP]
    safe = [alpha for index, alpha in enumerate(SWEEP) if min(gains[index:]) >= 0]
    return f"{min(safe)}" if safe else "–"


def gain(rows: Sequence[Mapping[str, float]], key: str, base: str) -> str:
    """Mean gain over nothing told, with its sign."""
    gains = [row[key] - row[base] for row in rows]
    return f"{np.mean(gains):+.2f}" + (f" ± {np.std(gains, ddof=1):.2f}" if len(gains) > 1 else "")


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation."""
    return f"{np.mean(values):.2f}" + (f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main()

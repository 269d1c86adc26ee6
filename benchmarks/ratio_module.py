"""What the Phase Learning Module adds to the bias that meets told areas: today's form, and that of the paper's text.

python benchmarks/ratio_module.py DATA/superalloy --pictures 2 --seeds 1
"""

import argparse
from pathlib import Path

import numpy as np

from matcurate.bench.dice import dice_of_classes, mean_dice, segmented
from matcurate.bench.finetune import PRESETS, split_validation
from matcurate.bench.folders import labelled_pictures
from matcurate.bench.ratio_kinds import ratios_of_kind
from matcurate.config import load_preset, load_settings
from matcurate.phase.build import PhaseSettings, build_model
from matcurate.phase.model import PhaseModel
from matcurate.phase.plm import PlmSettings
from matcurate.phase.ratios import exact_ratio
from matcurate.phase.samples import Picture
from matcurate.phase.trainer import train
from matcurate.types import Trust
from matcurate.workflows.home import learning_backbone
from ratio import DATASETS, STEPS, spread

FORMS = {
    "without": None,
    "today's": PlmSettings(hidden=32),
    "by the text": PlmSettings(hidden=32, per_phase=True),
}


def main() -> None:
    """Train every form on the same pictures, and print Dice and response slopes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    print(
        "| module | none | exact, module alone | exact, measured | slope of the module alone |\n|---|---|---|---|---|"
    )
    for name, form in FORMS.items():
        rows = [measured(options.folder, options.pictures, seed, form) for seed in range(options.seeds)]
        print(f"| {name} | {' | '.join(spread(list(column)) for column in zip(*rows, strict=True))} |", flush=True)


def measured(folder: Path, count: int, seed: int, form: PlmSettings | None) -> tuple[float, ...]:
    """Dice told nothing, told exactly, and told exactly with the areas met; slope of the module alone."""
    settings, dataset = load_settings(), folder.name
    preset = load_preset(DATASETS[dataset], PhaseSettings, PRESETS)
    pictures, shown = (labelled_pictures(folder / part, settings) for part in ("train", "val"))
    phases = 1 + max(int(picture.labels.max()) for picture in pictures)
    order = np.random.default_rng((seed, 7)).permutation(len(pictures))[: count or None]
    learned, kept = split_validation([pictures[index] for index in order], preset.validation_share, seed)
    backbone = learning_backbone("builtin", settings, False)
    model = build_model(backbone, phases, preset.model.model_copy(update={"plm": form}), seed)
    steps = STEPS[dataset][count]
    changed = {"steps": steps, "validate_every": steps // 4, "warmup": min(60, steps // 5)}
    train(model, learned, preset.train.model_copy(update=changed), seed=seed, validation=kept)
    told: tuple[tuple[str, Trust | None], ...] = (("none", None), ("exact", None), ("exact", "measured"))
    return (*(dice(model, shown, kind, trust) for kind, trust in told), slope(model, shown[:2]))


def dice(model: PhaseModel, shown: list[Picture], kind: str, trust: Trust | None) -> float:
    """Dice in points."""
    truth = [picture.labels for picture in shown]
    exact = [exact_ratio(labels, model.phases) for labels in truth]
    ratios = ratios_of_kind(kind, exact, exact[0], np.random.default_rng(0))
    return 100 * mean_dice(dice_of_classes(segmented(model, shown, ratios, trust), truth, model.phases))


def slope(model: PhaseModel, shown: list[Picture]) -> float:
    """Change of the areas found over that of the areas told: four ratios within × or ÷ 1.7 for each picture."""
    told, found = [], []
    for picture in shown:
        exact, rng = exact_ratio(picture.labels, model.phases), np.random.default_rng(5)
        ratios = np.array([ratios_of_kind("noise=1.7", [exact], exact, rng)[0] for _ in range(4)])
        areas = np.array([exact_ratio(segmented(model, [picture], [each])[0], model.phases) for each in ratios])
        told.append(ratios - ratios.mean(axis=0))
        found.append(areas - areas.mean(axis=0))
    return float((np.array(told) * np.array(found)).sum() / (np.array(told) ** 2).sum())


if __name__ == "__main__":
    main()

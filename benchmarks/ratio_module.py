"""What the Phase Learning Module adds to the bias that meets told areas: today's form, and that of the paper's text.

python benchmarks/ratio_module.py DATA/superalloy --pictures 2 --seeds 1
"""

import argparse
from pathlib import Path

import numpy as np

from matcurate.bench.dice import dice_of_classes, mean_dice, segmented
from matcurate.bench.ratio_kinds import ratios_of_kind
from matcurate.phase.model import PhaseModel
from matcurate.phase.plm import PlmSettings
from matcurate.phase.ratios import exact_ratio
from matcurate.phase.samples import Picture
from matcurate.types import Trust
from ratio import noisy_ratios, response_slope, spread, trained

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
    run = trained(folder, count, seed, form)
    model, shown = run.model, run.measured
    told: tuple[tuple[str, Trust | None], ...] = (("none", None), ("exact", None), ("exact", "measured"))
    return (*(dice(model, shown, kind, trust) for kind, trust in told), slope(model, shown[:2]))


def dice(model: PhaseModel, shown: list[Picture], kind: str, trust: Trust | None) -> float:
    """Dice in points."""
    truth = [picture.labels for picture in shown]
    exact = [exact_ratio(labels, model.phases) for labels in truth]
    ratios = ratios_of_kind(kind, exact, exact[0], np.random.default_rng(0))
    return 100 * mean_dice(dice_of_classes(segmented(model, shown, ratios, trust), truth, model.phases))


def slope(model: PhaseModel, shown: list[Picture]) -> float:
    """Response slope of four ratios for each picture."""
    exact = [exact_ratio(picture.labels, model.phases) for picture in shown]
    given = [noisy_ratios(each, 4) for each in exact]
    areas = [
        np.array([exact_ratio(segmented(model, [picture], [each])[0], model.phases) for each in ratios])
        for picture, ratios in zip(shown, given, strict=True)
    ]
    return response_slope(given, areas)


if __name__ == "__main__":
    main()

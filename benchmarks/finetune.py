"""The tables of docs/notes/phase-learning.md: fine-tuning with and without the Phase Learning Module, over seeds.

    python benchmarks/finetune.py TRAIN VAL --preset builtin --seeds 3 --out runs.jsonl --zero-shot

Every finished training is a line of the file; what is in there is not trained again. A training that is killed goes
on from its checkpoint. The adapters are kept beside the file, for benchmarks/plm_figures.py.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from matcurate.bench.dice import COMPARED
from matcurate.bench.finetune import FinetuneChoice, bench_finetune
from matcurate.bench.zero_shot import bench_zero_shot
from matcurate.config import load_settings

Run = dict[str, Any]


def main() -> None:
    """Train what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path)
    parser.add_argument("val", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--preset", default="builtin")
    parser.add_argument("--backbone", default="builtin")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--zero-shot", action="store_true", help="Also MatSAM's preset phases, without training.")
    parser.add_argument("--no-train", action="store_true", help="Only the tables of what is in the file.")
    options = parser.parse_args()
    runs = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    known = {(run["train"], run["val"], run["seed"], run["plm"]) for run in runs}
    for seed in range(0 if options.no_train else options.seeds):
        for plm in (True, False):
            if (str(options.train), str(options.val), seed, plm) not in known:
                runs.append(trained(options, seed, plm))
                with options.out.open("a") as lines:
                    lines.write(json.dumps(runs[-1]) + "\n")
    runs = [run for run in runs if (run["train"], run["val"]) == (str(options.train), str(options.val))]
    table(runs)
    classes(runs)
    if options.zero_shot:
        untrained(options, runs)


def trained(options: argparse.Namespace, seed: int, plm: bool) -> Run:
    """Train once, keep the adapter."""
    name = f"{options.train.parent.name}-{seed}-{'plm' if plm else 'none'}"
    folder = options.out.parent / name
    folder.mkdir(parents=True, exist_ok=True)
    report = bench_finetune(
        options.train,
        options.val,
        FinetuneChoice(preset=options.preset, backbone=options.backbone, plm=plm, seed=seed),
        settings=load_settings(),
        adapter=options.out.parent / f"{name}.safetensors",
        checkpoint=folder,
    )
    folder.rmdir()
    run: Run = json.loads(json.dumps(asdict(report)))
    return run


def table(runs: list[Run]) -> None:
    """Dice in points: mean ± standard deviation over the seeds, and the gain over no module at the same seeds."""
    without = {run["seed"]: 100 * run["dice"] for run in runs if not run["plm"]}
    print("| training | told in evaluation | seeds | Dice | gain |\n|---|---|---|---|---|")
    print(f"| without PLM | – | {len(without)} | {spread(list(without.values()))} | |")
    for ratio in COMPARED:
        dices = {run["seed"]: 100 * run["dice_by_ratio"][ratio] for run in runs if run["plm"]}
        gains = [dice - without[seed] for seed, dice in dices.items() if seed in without]
        print(f"| with PLM | {ratio} | {len(dices)} | {spread(list(dices.values()))} | {spread(gains)} |")


def classes(runs: list[Run]) -> None:
    """Dice of every class in points, mean ± standard deviation over the seeds."""
    phases = runs[0]["phases"]
    print(f"\n| training | told | {' | '.join(phases)} |\n|---|---|{'---|' * len(phases)}")
    for plm, ratio in ((False, "alpha=0.9"), *((True, each) for each in COMPARED)):
        found = [run["dice_per_class_by_ratio"][ratio] for run in runs if run["plm"] == plm]
        cells = " | ".join(
            spread([100 * value for value in column if value is not None]) for column in zip(*found, strict=True)
        )
        print(f"| {'with' if plm else 'without'} PLM | {ratio if plm else '–'} | {cells} |")


def untrained(options: argparse.Namespace, runs: list[Run]) -> None:
    """What MatSAM gives on the same images, beside the means over the seeds."""
    found = bench_zero_shot(options.val, settings=load_settings(), preset="phases", backbone=options.backbone)
    cells = " | ".join("–" if value is None else f"{100 * value:.2f}" for value in found.dice_per_class)
    print(f"\n| | Dice | background and all phases as one | {' | '.join(runs[0]['phases'])} |")
    print(f"|---|---|---|{'---|' * len(runs[0]['phases'])}")
    print(f"| zero-shot, {found.version} | {100 * found.dice:.2f} | {100 * found.dice_foreground:.2f} | {cells} |")
    for plm in (False, True):
        mine = [run for run in runs if run["plm"] == plm]
        dice, merged = (spread([100 * run[name] for run in mine]) for name in ("dice", "dice_foreground"))
        each = " | ".join(
            spread([100 * v for v in column]) for column in zip(*(r["dice_per_class"] for r in mine), strict=True)
        )
        print(f"| fine-tuned {'with' if plm else 'without'} PLM | {dice} | {merged} | {each} |")
    print(f"\nMatSAM's classes stand for phases {', '.join(map(str, found.names))}: the names that suit it best.")


def spread(values: list[float]) -> str:
    """Mean ± standard deviation."""
    if not values:
        return "–"
    return f"{np.mean(values):.2f}" + (f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main()

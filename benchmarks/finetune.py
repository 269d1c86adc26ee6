"""The tables of docs/methods/phase-learning.md: fine-tuning with and without the Phase Learning Module, over seeds.

    python benchmarks/finetune.py TRAIN VAL --seeds 3 --out runs.jsonl

Every finished training is a line of the file; what is in there is not trained again.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from matcurate.config import load_settings
from matcurate.workflows.bench_finetune import bench_finetune
from matcurate.workflows.finetune_scores import COMPARED


def main() -> None:
    """Train what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path)
    parser.add_argument("val", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--preset", default=None)
    parser.add_argument("--backbone", default="builtin")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    runs = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    known = {(run["train"], run["val"], run["seed"], run["plm"]) for run in runs}
    for seed in range(options.seeds):
        for plm in (False, True):
            if (str(options.train), str(options.val), seed, plm) in known:
                continue
            report = bench_finetune(
                options.train,
                options.val,
                settings=load_settings(),
                preset=options.preset,
                backbone=options.backbone,
                plm=plm,
                seed=seed,
            )
            runs.append(json.loads(json.dumps(asdict(report))))
            with options.out.open("a") as lines:
                lines.write(json.dumps(runs[-1]) + "\n")
    table([run for run in runs if (run["train"], run["val"]) == (str(options.train), str(options.val))])


def table(runs: list[dict]) -> None:  # type: ignore[type-arg]
    """Dice in points: mean ± standard deviation over the seeds, and the gain over no module at the same seeds."""
    without = {run["seed"]: 100 * run["dice"] for run in runs if not run["plm"]}
    print("| training | told in evaluation | seeds | Dice | gain |\n|---|---|---|---|---|")
    print(f"| without PLM | – | {len(without)} | {_spread(list(without.values()))} | |")
    for ratio in COMPARED:
        told = {run["seed"]: 100 * run["dice_by_ratio"][ratio] for run in runs if run["plm"]}
        gains = [dice - without[seed] for seed, dice in told.items() if seed in without]
        print(f"| with PLM | {ratio} | {len(told)} | {_spread(list(told.values()))} | {_spread(gains)} |")


def _spread(values: list[float]) -> str:
    if not values:
        return "–"
    return f"{np.mean(values):.2f}" + (f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main()

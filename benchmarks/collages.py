"""The tables and the figure of docs/methods/regions.md: collages of textures, growing by a class, and micrographs.

    python benchmarks/collages.py TEXTURES RUNS.jsonl --stage classes --classes 5 --steps 240
    python benchmarks/collages.py TEXTURES RUNS.jsonl --stage classes --classes 20 --steps 320 --save S
    python benchmarks/collages.py TEXTURES RUNS.jsonl --stage grow
    python benchmarks/collages.py TEXTURES RUNS.jsonl --stage micrographs --train DIR --val DIR --start S
    python benchmarks/collages.py TEXTURES RUNS.jsonl --stage figure --out docs/images/regions.png

TEXTURES holds one image a class. Training sees the left halves only; ``same`` are new collages of them (the paper's
split), ``unseen`` collages of the right halves. Each stage adds lines to RUNS.jsonl. Seconds are those of one CPU
thread, with the making of the collages, without the measurements.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from matcurate.bench.folders import labelled_pictures
from matcurate.config import load_preset, load_settings
from matcurate.imaging import read_micrograph
from matcurate.learned.regions import CollageBatches, RegionModel, RegionSettings, build_region_model
from matcurate.learned.regions.weights import BIAS, WEIGHT, grown_state, load_regions, save_regions
from matcurate.phase.build import base_of
from matcurate.phase.inference import segment_phases
from matcurate.phase.ratios import no_ratio
from matcurate.phase.samples import Picture, grey_levels
from matcurate.phase.scores import score_phases
from matcurate.phase.trainer import StepReport, train
from matcurate.promptable.builtin.shipped import shipped
from matcurate.segmentation.collage import Collages

Textures = list[list[NDArray[np.float32]]]
ENOUGH = 0.97
LOOKED_AT = 16
"""Collages that are measured during training."""
SHOWN = 50
"""Steps of the runs in the figure."""
TRAINED, SAME, UNSEEN = 0, 10, 20
"""Seeds of the collages that are trained on, and of those that are measured."""


class Enough(Exception):
    """A run has reached the accuracy that is asked for."""


class Run:
    """One training, with its accuracy at every look."""

    def __init__(self, preset: RegionSettings, model: RegionModel, textures: Textures, unseen: Textures) -> None:
        self.preset, self.model = preset, model
        self.textures, self.unseen = textures, unseen
        self.curve: list[dict[str, float]] = []
        self.looking = 0.0

    def train(self, steps: int, every: int, *, stop: bool = False, both: bool = False) -> "Run":
        """Train, and measure every so many steps, ``both``: also on collages that were trained on.

        ``stop``: only until the accuracy is enough.
        """
        settings = self.preset.train.model_copy(update={"steps": steps, "validate_every": every})
        sampling = settings.sampling
        collages = Collages(self.textures, self.preset.collages)
        source = CollageBatches(collages, self.model, sampling.batch, sampling.augmentation)

        def look(report: StepReport) -> None:
            begun = time.process_time()
            seeds = {"same": SAME, "trained": TRAINED} if both else {"same": SAME}
            measured = {name: self.accuracy(self.textures, seed, LOOKED_AT) for name, seed in seeds.items()}
            self.looking += time.process_time() - begun
            self.curve.append({"step": report.step, "loss": report.loss, **measured})
            if stop and measured["same"] >= ENOUGH:
                raise Enough

        begun = time.process_time()
        try:
            train(self.model, source, settings, seed=TRAINED, report=look)
        except Enough:
            pass
        self.seconds = time.process_time() - begun - self.looking
        return self

    def confusion(self, textures: Textures, seed: int, count: int) -> NDArray[np.float64]:
        """Shares of the pixels of new collages: true class × predicted class of the model, sum 1."""
        collages, classes = Collages(textures, self.preset.collages), self.model.phases
        table = np.zeros((classes, classes))
        for index in range(count):
            made = collages.collage(seed, index)
            predicted = segment_phases(self.model, made.grey, no_ratio(classes))
            pairs = made.labels.astype(int) * classes + predicted
            table += np.bincount(pairs.ravel(), minlength=classes**2).reshape(classes, classes)
        return table / table.sum()

    def accuracy(self, textures: Textures, seed: int, count: int) -> float:
        """Share of the pixels of new collages that are right."""
        return float(np.diag(self.confusion(textures, seed, count)).sum())

    def reached(self) -> int | None:
        """First look at which the accuracy was enough."""
        return next((int(look["step"]) for look in self.curve if look["same"] >= ENOUGH), None)


def halves(folder: Path, count: int) -> tuple[list[str], Textures, Textures]:
    """Names, left and right halves of the first textures, by name."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".png", ".tif", ".jpg"))[:count]
    images = [grey_levels(read_micrograph(path).pixels) for path in paths]
    middle = [image.shape[1] // 2 for image in images]
    left = [[image[:, :column]] for image, column in zip(images, middle, strict=True)]
    right = [[image[:, column:]] for image, column in zip(images, middle, strict=True)]
    return [path.stem for path in paths], left, right


def classes_stage(options: argparse.Namespace, preset: RegionSettings) -> dict[str, Any]:
    """Accuracy on both splits, of all and of the worst class."""
    names, left, right = halves(options.textures, options.classes)
    model = build_region_model(shipped("cpu"), len(left), preset.model, options.seed)
    run = Run(preset, model, left, right).train(options.steps or preset.train.steps, 20)
    result: dict[str, Any] = {
        "classes": len(left),
        "preset": preset.name,
        "evidence": preset.model.evidence is not None,
    }
    for split, textures, seed in (("same", left, SAME), ("unseen", right, UNSEEN)):
        table = run.confusion(textures, seed, 100)
        recall = np.diag(table) / table.sum(axis=1)
        result[split] = {
            "accuracy": float(np.diag(table).sum()),
            "worst": float(recall.min()),
            "worst_class": names[int(recall.argmin())],
        }
    if options.save:
        save_regions(options.save, model, base_of(shipped("cpu")), tuple(names), preset.model)
    parameters = model.parameter_counts()[1]
    return result | {"seconds": run.seconds, "reached": run.reached(), "curve": run.curve, "parameters": parameters}


def grow_stage(options: argparse.Namespace, preset: RegionSettings) -> list[dict[str, Any]]:
    """From k classes to k + 1: all weights kept, against from the start."""
    _, left, right = halves(options.textures, 10)
    model = build_region_model(shipped("cpu"), 4, preset.model, options.seed)
    Run(preset, model, left[:4], right[:4]).train(100, 50)
    results = []
    for known in range(4, 10):
        before = accuracy_of_old(Run(preset, model, left[:known], right[:known]), left[:known])
        state = grown_state(model.learned_state(), known + 1, torch.Generator().manual_seed(options.seed))
        model = build_region_model(shipped("cpu"), known + 1, preset.model, options.seed)
        model.load_learned_state(state)
        shown = known in (5, 9)
        transfer = Run(preset, model, left[: known + 1], right[: known + 1]).train(
            SHOWN if shown else 30, 5, both=shown
        )
        after = accuracy_of_old(transfer, left[:known])
        fresh = build_region_model(shipped("cpu"), known + 1, preset.model, options.seed)
        retrain = Run(preset, fresh, left[: known + 1], right[: known + 1])
        retrain.train(SHOWN if shown else 80, 5, both=shown, stop=not shown)
        results.append(
            {
                "known": known,
                "transfer": transfer.reached(),
                "retrain": retrain.reached(),
                "old_before": before,
                "old_after": after,
                "curves": {"transfer": transfer.curve, "retrain": retrain.curve},
            }
        )
        record(options, "grow", results[-1])
    return results


def accuracy_of_old(run: Run, old: Textures) -> float:
    """Accuracy of a model on collages of the old classes, with all its outputs."""
    return run.accuracy(old, SAME, 50)


def micrographs_stage(options: argparse.Namespace, preset: RegionSettings) -> list[dict[str, Any]]:
    """IoU of every class after training on micrographs, from the shipped weights and after collages."""
    settings = load_settings()
    learned, kept = labelled_pictures(options.train, settings), labelled_pictures(options.val, settings)
    if options.train == options.val:  # too few images for two folders: the first against the others
        learned, kept = learned[:1], learned[1:]
    phases = 1 + int(max(picture.labels[picture.labels < 255].max() for picture in learned))
    shape = preset.model.model_copy(update={"scale": options.scale})
    steps = options.steps or 80
    training = preset.train.model_copy(update={"steps": steps, "validate_every": 10, "patience": 1000})
    results = []
    for start in ("shipped", "collages"):
        model = build_region_model(shipped("cpu"), phases, shape, options.seed)
        if start == "collages":
            state = dict(load_regions(options.start).tensors) | {
                name: value for name, value in model.learned_state().items() if name in (WEIGHT, BIAS)
            }
            model.load_learned_state(state)
        curve: list[tuple[int, float | None]] = []
        begun = time.process_time()
        report = train(
            model, learned, training, seed=0, validation=kept, report=lambda r, c=curve: c.append((r.step, r.dice))
        )
        seconds = time.process_time() - begun
        result = {"dataset": options.train.parent.name if options.train.name == "train" else options.train.name}
        result |= {"start": start, "iou": ious(model, kept, phases), "curve": curve, "best": report.best_dice}
        results.append(result | {"seconds": seconds})
        record(options, "micrographs", results[-1])
    return results


def ious(model: RegionModel, pictures: Sequence[Picture], phases: int) -> list[float | None]:
    """Mean IoU of every class over the pictures."""
    rows = [
        score_phases(segment_phases(model, each.grey, no_ratio(phases)), each.labels, phases).iou for each in pictures
    ]
    columns = [[value for value in column if value is not None] for column in zip(*rows, strict=True)]
    return [float(np.mean(column)) if column else None for column in columns]


def draw(runs: Path, out: Path) -> None:
    """A collage's accuracy over the steps, and growing at k = 5 and 9 as in the paper's figure 10."""
    lines = [json.loads(line) for line in runs.read_text().splitlines()]
    figure = Figure(figsize=(10, 3), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    for run in (line for line in lines if line["stage"] == "classes"):
        label = f"{run['classes']} classes, {run['preset']}" + (", evidence" if run["evidence"] else "")
        panels[0].plot([look["step"] for look in run["curve"]], [look["same"] for look in run["curve"]], label=label)
    panels[0].set_title("From the start")
    for axes, known in zip(panels[1:], (5, 9), strict=True):
        for run in (line for line in lines if line["stage"] == "grow" and line["known"] == known):
            for name, colour in (("transfer", "C0"), ("retrain", "C3")):
                for split, style in (("same", "-"), ("trained", ":")):
                    curve = run["curves"][name]
                    legend = f"{name}, {'validation' if split == 'same' else 'training'}"
                    axes.plot([p["step"] for p in curve], [p[split] for p in curve], style, color=colour, label=legend)
        axes.set_title(f"{known} classes and a new one")
    for axes in panels:
        axes.axhline(ENOUGH, color="0.7", linewidth=0.8)
        axes.set(xlabel="steps", ylim=(0.2, 1))
        axes.legend(fontsize=7, loc="lower right")
    panels[0].set_ylabel("accuracy of pixels")
    FigureCanvasAgg(figure).print_figure(out, dpi=110)


def record(options: argparse.Namespace, stage: str, result: dict[str, Any]) -> None:
    """Add a line to the file of runs."""
    with options.runs.open("a") as file:
        file.write(json.dumps({"stage": stage, "seed": options.seed, **result}) + "\n")


def main() -> None:
    """Run one stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("textures", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--stage", choices=("classes", "grow", "micrographs", "figure"), required=True)
    parser.add_argument("--preset", default="builtin")
    parser.add_argument("--classes", type=int, default=5)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1.0)
    for name in ("train", "val", "start", "save", "out"):
        parser.add_argument(f"--{name}", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.stage == "figure":
        draw(options.runs, options.out)
        return
    preset = load_preset(options.preset, RegionSettings, "regions")
    if options.stage == "classes":
        record(options, "classes", classes_stage(options, preset))
    else:
        {"grow": grow_stage, "micrographs": micrographs_stage}[options.stage](options, preset)


if __name__ == "__main__":
    main()

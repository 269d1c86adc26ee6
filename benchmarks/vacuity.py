"""Where a fine-tuned model does not know, and how far that can be trusted: the figure of docs/methods/evidence.md.

python benchmarks/vacuity.py TRAIN VAL --foreign IMAGE --steps 200 --out docs/images/vacuity.jpg

Fine-tunes the built-in network on TRAIN with its head of evidence, and shows two micrographs of VAL, and one of another
material, each with what was segmented, where that is wrong, and vacuity. Prints the calibration on VAL.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from matcurate.bench.folders import class_names, labelled_pictures
from matcurate.config import load_preset, load_settings
from matcurate.imaging.heat import heat_overlay
from matcurate.imaging.overlay import overlay
from matcurate.imaging.proxy import to_uint8
from matcurate.imaging.read import read_micrograph
from matcurate.learned.evidence import Calibration, fit_evidence, judge
from matcurate.phase.build import PhaseSettings, build_model
from matcurate.phase.model import PhaseModel
from matcurate.phase.ratios import no_ratio
from matcurate.phase.samples import Picture, grey_levels
from matcurate.phase.trainer import train
from matcurate.types import BoolMask
from matcurate.uncertainty.calibration import risk_coverage
from matcurate.uncertainty.pixels import PixelHead
from matcurate.workflows.home import learning_backbone

TOP = 0.5
"""Vacuity that full red stands for."""
EDGE = 512
"""Of the pictures that are shown."""


def trained(pictures: list[Picture], classes: tuple[str, ...], steps: int) -> tuple[PhaseModel, PixelHead]:
    """Model and head of evidence that have learned the pictures."""
    settings = load_settings()
    preset = load_preset("builtin", PhaseSettings, "phase")
    model = build_model(learning_backbone(None, settings), len(classes), preset.model, 0)
    options = preset.train.model_copy(update={"steps": steps})
    train(model, pictures, options, seed=0, progress=lambda done, total, note="": None)
    return model, fit_evidence(model, pictures, classes, 0)


def main() -> None:
    """Fine-tune, draw and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("val", type=Path)
    parser.add_argument("--foreign", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    settings = load_settings()
    learned, measured = (labelled_pictures(folder, settings) for folder in (given.train, given.val))
    classes = class_names(given.train, learned, measured)
    model, head = trained(learned, classes, given.steps)
    calibration, unsure, wrong = Calibration(), [], []
    rows: list[tuple[str, Picture, BoolMask | None]] = []
    for each in measured:
        judged = judge(model, head, each.grey, no_ratio(len(classes)))
        calibration.add(judged, each.labels)
        errors = judged.shares.argmax(axis=0) != each.labels
        unsure.append(judged.vacuity[2::5, 2::5].ravel())
        wrong.append(errors[2::5, 2::5].ravel())
        rows.append((each.name, each, errors))
    foreign = grey_levels(read_micrograph(given.foreign).pixels)[:EDGE, :EDGE]
    stranger = Picture(given.foreign.stem, foreign, np.zeros(foreign.shape, np.uint8))
    print(asdict(calibration.result()))
    figure = Figure(figsize=(11, 11.5), layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=(3, 1.1))[:, 0]
    panels = upper.subplots(3, 4)
    for line, (name, picture, mistaken) in zip(panels, [*rows[:2], (stranger.name, stranger, None)], strict=True):
        judged = judge(model, head, picture.grey, no_ratio(len(classes)))
        part, grey = (slice(EDGE), slice(EDGE)), to_uint8(picture.grey)
        found = judged.shares.argmax(axis=0).astype(np.uint8)
        shown = [grey, overlay(grey, found), grey, heat_overlay(grey, judged.vacuity, TOP)]
        titles = [name[:28], "segmented", "wrong, in red", f"vacuity, mean {judged.vacuity.mean():.2f}"]
        if mistaken is None:
            titles[2] = "another material: no truth"
        else:
            shown[2] = heat_overlay(grey, mistaken.astype(np.float32), 1.0)
        for axes, image, title in zip(line, shown, titles, strict=True):
            axes.imshow(image[part], cmap="gray", vmin=0, vmax=255)
            axes.set_title(title, fontsize=9)
            axes.axis("off")
    axes = lower.subplots()
    curve = risk_coverage(np.concatenate(unsure), np.concatenate(wrong))
    axes.plot(curve.coverage, curve.risk, color="#B22222")
    axes.axhline(curve.risk[-1], color="grey", linestyle=":")
    axes.set(
        xlabel="share of the pixels, the most certain first",
        ylabel="share of them wrong",
        xlim=(0, 1),
        ylim=(0, 1.5 * float(curve.risk[-1])),
    )
    axes.grid(alpha=0.3)
    figure.savefig(given.out, dpi=80)


if __name__ == "__main__":
    main()

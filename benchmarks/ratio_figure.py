"""The figure of docs/methods/phase-learning.md: areas found over areas told, and the gain over the accuracy α.

python benchmarks/ratio_figure.py runs/ebc-0-0.npz --phase 1 --out docs/images/told_ratio.png
"""

import argparse
from pathlib import Path
from typing import get_args

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from matcurate.phase.constrained import areas_of, follow
from matcurate.types import UNKNOWN, Trust
from ratio import SWEEP, Predicted, evaluated

COLOURS = {"measured": "#1f77b4", "guess": "#ff7f0e"}
FACTORS = np.linspace(0.5, 1.5, 9)


def main() -> None:
    """Draw both panels of one training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--phase", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    response, sweep = figure.subplots(1, 2)
    thin, rows = Predicted.read(options.run).thinned(), evaluated(options.run)
    for trust in get_args(Trust):
        told, found = responses(thin, options.phase, trust)
        response.plot(told, found, ".-", color=COLOURS[trust], label=trust)
        gains = [rows[f"sweep {alpha} {trust}"] - rows["thin none"] for alpha in SWEEP]
        sweep.plot(SWEEP, gains, ".-", color=COLOURS[trust], label=trust)
    exact = thin.exact[0][options.phase]
    response.axvline(float(exact), color="grey", linewidth=0.8)
    response.axline((float(exact), float(exact)), slope=1, color="grey", linewidth=0.8, linestyle=":")
    response.set(xlabel=f"area told of phase {options.phase}", ylabel="area found", title="Response")
    sweep.axhline(0, color="grey", linewidth=0.8)
    sweep.set(xlabel="accuracy α of what is told", ylabel="gain in Dice, points", title="Gain over nothing told")
    sweep.set_ylim(-12, None)
    response.legend()
    FigureCanvasAgg(figure).print_figure(options.out, dpi=110)


def responses(predicted: Predicted, phase: int, trust: Trust) -> tuple[list[float], list[float]]:
    """Areas told and found of a phase of the first picture, nothing being told of the others."""
    shares, counted = predicted.shares[0], predicted.truth[0] != UNKNOWN
    told, found = [], []
    for factor in FACTORS:
        areas = np.full(len(shares), np.nan)
        areas[phase] = factor * predicted.exact[0][phase]
        moved = follow(shares, areas, trust, predicted.prior, counted)
        told.append(float(areas[phase]))
        found.append(float(areas_of(moved, counted)[phase]))
    return told, found


if __name__ == "__main__":
    main()

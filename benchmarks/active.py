"""Table and plot of active learning in docs/methods/evidence.md, of what ``curate bench active --json`` has printed.

curate bench active TRAIN VAL --json > superalloy.json
python benchmarks/active.py superalloy.json ebc.json --out docs/images/active.png
"""

import argparse
import json
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from pydantic import TypeAdapter

from matcurate.bench.active import ActiveBenchmark

COLOURS = {
    "random": "black",
    "evidential": "#E07B39",
    "evidential-diverse": "#B22222",
    "evidential-clusters": "#D98880",
}


def table(name: str, report: ActiveBenchmark) -> str:
    """Markdown: a row for each strategy."""
    seeds = ", ".join(map(str, report.seeds))
    header = (
        f"**{name}**: {report.pool} crops of {report.crop} pixels, {report.batch} a round, seeds {seeds}; Dice with "
        f"all crops {report.full_dice:.4f}, target {report.target:.4f}\n\n"
        "| strategy | area under the curve | crops to the target, mean curve | by seed | share of random |\n"
        "|---|---:|---:|---:|---:|\n"
    )
    rows = []
    for strategy, curve in report.strategies.items():
        by_seed = ", ".join("-" if each is None else str(each) for each in curve.images_to_target_per_seed)
        share = "" if curve.share_of_random is None else f"{curve.share_of_random:.0%}"
        area = np.trapezoid(np.array(curve.per_seed), report.labelled, axis=1) / (
            report.labelled[-1] - report.labelled[0]
        )
        reached = curve.images_to_target or "-"
        rows.append(f"| {strategy} | {curve.area:.4f} ± {area.std():.4f} | {reached} | {by_seed} | {share} |")
    return header + "\n".join(rows)


def draw(axes: Axes, name: str, report: ActiveBenchmark) -> None:
    """Mean curves; of random also the spread."""
    axes.axhline(report.target, color="grey", linestyle=":", linewidth=1)
    for strategy, curve in report.strategies.items():
        mean, spread = np.array(curve.dice), np.array(curve.deviation)
        width = 2.2 if strategy in COLOURS else 1.0
        axes.plot(report.labelled, mean, label=strategy, color=COLOURS.get(strategy), linewidth=width)
        if strategy == "random":
            axes.fill_between(report.labelled, mean - spread, mean + spread, color="black", alpha=0.12, linewidth=0)
    axes.set(title=f"{name}, {report.pool} crops", xlabel="labelled crops", ylabel="Dice, mean of the phases")
    axes.grid(alpha=0.3)


def main() -> None:
    """Print the tables and write the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    reader = TypeAdapter(ActiveBenchmark)
    reports = {path.stem: reader.validate_python(json.loads(path.read_text())) for path in given.reports}
    figure = Figure(figsize=(5.2 * len(reports), 3.9), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (name, report) in zip(figure.subplots(1, len(reports), squeeze=False)[0], reports.items(), strict=True):
        draw(axes, name, report)
        print(table(name, report), end="\n\n")
    figure.axes[0].legend(fontsize=8)
    figure.savefig(given.out, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()

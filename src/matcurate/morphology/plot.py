"""One figure of an image's morphology: sizes, phases, shapes and distances."""

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from matcurate.imaging.overlay import PHASE_COLOURS
from matcurate.morphology.report import Morphology, MorphologyReport
from matcurate.morphology.units import Unit
from matcurate.types import Calibration

GREY = "#4D4D4D"


def draw_morphology(morphology: Morphology, title: str) -> bytes:
    """PNG of the size distribution, phase fractions with intervals, shapes, and nearest-neighbour distances."""
    report = morphology.report
    unit = Unit.of(
        None if report.nm_per_px is None else Calibration(report.nm_per_px, report.px_size_y / report.px_size)
    )
    figure = Figure(figsize=(9, 6.5), layout="constrained")
    FigureCanvasAgg(figure)  # becomes the canvas of the figure; no window system is asked for
    figure.suptitle(_title(report, title))
    axes = figure.subplots(2, 2)
    _sizes(axes[0, 0], report, unit)
    _phases(axes[0, 1], report)
    _shapes(axes[1, 0], morphology)
    _distances(axes[1, 1], morphology, unit)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _title(report: MorphologyReport, title: str) -> str:
    methods = {"intercept": report.grain_size.intercept, "planimetric": report.grain_size.planimetric}
    numbers = {name: size.grain_size_number for name, size in methods.items() if size is not None}
    sizes = [f"G = {number:.2f} ({name})" for name, number in numbers.items() if number is not None]
    # matplotlib would read the text between two dollar signs as a formula
    return ", ".join([f"{title}: {report.count} {report.structure}", *sizes]).replace("$", r"\$")


def _sizes(axes: Axes, report: MorphologyReport, unit: Unit) -> None:
    sizes = report.sizes[0]
    axes.set(xlabel=f"equivalent diameter / {unit.label}", ylabel="share of objects", title="Sizes, border-corrected")
    if not sizes.shares:
        return
    edges = np.array(sizes.edges)
    axes.bar(edges[:-1], sizes.shares, np.diff(edges), align="edge", color=PHASE_COLOURS[1], edgecolor="white")
    axes.set_xscale("log")
    ticks = np.geomspace(edges[0], edges[-1], 5)
    axes.set_xticks(ticks, [f"{tick:.2g}" for tick in ticks])
    axes.minorticks_off()
    sums = axes.twinx()
    sums.plot(edges, [0.0, *np.cumsum(sizes.shares)], color=GREY)
    sums.set(ylim=(0, 1.02), ylabel="cumulated")


def _phases(axes: Axes, report: MorphologyReport) -> None:
    axes.set(xlabel="area fraction", xlim=(0, 1), title="Phases, 95 % intervals")
    names = [phase.name or f"class {phase.id}" for phase in report.phases]
    for row, phase in enumerate(report.phases):
        part = phase.area_fraction
        colour = PHASE_COLOURS[(phase.id - 1) % len(PHASE_COLOURS)] if phase.id else "#BBBBBB"
        spread = [[part.fraction - part.low], [part.high - part.fraction]]
        axes.barh(row, part.fraction, color=colour, xerr=spread, ecolor=GREY, capsize=3)
    axes.set_yticks(range(len(names)), [name.replace("$", r"\$") for name in names])


def _shapes(axes: Axes, morphology: Morphology) -> None:
    table = morphology.table
    whole = ~table.touches_border
    axes.set(xlabel="aspect ratio", ylabel="circularity", ylim=(0, 1.05), title="Shapes of whole objects")
    colours = [PHASE_COLOURS[(phase - 1) % len(PHASE_COLOURS)] for phase in table.phase[whole].tolist()]
    axes.scatter(table.aspect_ratio[whole], table.circularity[whole], s=10, c=colours, alpha=0.6)


def _distances(axes: Axes, morphology: Morphology, unit: Unit) -> None:
    distance = morphology.table.nearest_distance * unit.per_px
    spacing = morphology.report.spacing[0]
    axes.set(xlabel=f"distance / {unit.label}", ylabel="objects", title="Nearest neighbours, by centroids")
    axes.hist(distance[np.isfinite(distance)], bins="auto", color=PHASE_COLOURS[2], edgecolor="white")
    if spacing.mean is not None:
        axes.axvline(spacing.mean, color=GREY, label=f"mean {spacing.mean:.3g} {unit.label}")
        axes.legend(frameon=False)

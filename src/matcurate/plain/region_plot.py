"""Plot of what speaks for the number of regions of an image."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from matcurate.files import replace_file
from matcurate.segmentation.discovery import Discovery


def write_plot(path: Path, discovery: Discovery, seed: int) -> None:
    """Draw the probability of each number, and the mixture's posterior weights and BIC; PNG."""
    mixture = discovery.mixture(seed)
    panels = [
        ("number of regions", "probability", "bar", discovery.probabilities),
        ("cluster of six", "posterior weight", "bar", mixture.weights),
        ("clusters", "BIC", "plot", mixture.bic),
    ]
    panels = [panel for panel in panels if panel[3]]
    figure = Figure(figsize=(3.4 * len(panels), 2.8), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (across, up, kind, values) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        numbers = range(1, len(values) + 1)
        if kind == "bar":
            axes.bar(numbers, values, color="#56B4E9")
        else:
            axes.plot(numbers, values, marker="o", color="#0072B2")
        axes.set(xlabel=across, ylabel=up)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.suptitle(discovery.reason, fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    replace_file(path, buffer.getvalue())

"""A project's report as one HTML file that needs nothing else: for a browser, a mail, a laboratory notebook."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from matcurate import __version__
from matcurate.acquisition.stopping import learning_curve
from matcurate.errors import CatalogError
from matcurate.files import replace_file
from matcurate.imaging.overlay import PHASE_COLOURS
from matcurate.workflows.reporting.report import ProjectReport, VersionPoint

TEMPLATE = "report.html.j2"
BLUE, GREY = "#20639B", "#8A8A8A"


def report_page(report: ProjectReport) -> str:
    """HTML of a report; everything in it is escaped, pictures are inside."""
    environment = Environment(
        loader=PackageLoader("matcurate.workflows.reporting", "templates"), autoescape=True, undefined=StrictUndefined
    )
    points = [version for version in report.versions if version.learned and version.dice is not None]
    return environment.get_template(TEMPLATE).render(
        report=report,
        fractions_png=_fractions(report) if report.fractions else None,
        curve_png=_curve(points, report.round_size) if points else None,
        version=__version__,
    )


def write_page(path: Path, report: ProjectReport) -> None:
    """Write :func:`report_page`; ``path`` holds the old file or all of the new one; raises CatalogError."""
    if path.is_dir() or not path.parent.is_dir():
        raise CatalogError(f"{path}: not a file in a folder that exists; name another")
    try:
        replace_file(path, report_page(report).encode())
    except OSError as error:
        raise CatalogError(f"{path}: cannot be written ({error.strerror}); name another file") from error


def _fractions(report: ProjectReport) -> str:
    """Means and intervals of the phases, one above the other."""
    names = list(report.fractions)[::-1]
    figure = Figure(figsize=(6.5, 0.8 + 0.45 * len(names)), layout="constrained")
    axes = figure.subplots()
    for place, name in enumerate(names):
        interval, number = report.fractions[name], len(names) - 1 - place
        colour = GREY if number == 0 else PHASE_COLOURS[number % len(PHASE_COLOURS)]
        errors = [[interval.mean - interval.low], [interval.high - interval.mean]]
        axes.errorbar(interval.mean, place, xerr=errors, fmt="o", capsize=4, color=colour)
    axes.set_yticks(range(len(names)), [_plain(name) for name in names])
    axes.set(xlabel="area fraction", ylim=(-0.6, len(names) - 0.4))
    axes.grid(axis="x", alpha=0.3)
    return _png(figure)


def _curve(points: Sequence[VersionPoint], more: int) -> str:
    """Dice of the versions against what they learned from, and the curve that the expected gain is read from."""
    figure = Figure(figsize=(6.5, 3.2), layout="constrained")
    axes = figure.subplots()
    counts = [version.learned or 0 for version in points]
    scores = [version.dice or 0.0 for version in points]
    axes.plot(counts, scores, "o", color=BLUE)
    for version, count, score in zip(points, counts, scores, strict=True):
        axes.annotate(_plain(version.name), (count, score), textcoords="offset points", xytext=(6, -10), fontsize=8)
    curve = learning_curve(counts, scores)
    if curve is not None:
        along = range(min(counts), max(counts) + more + 1)
        axes.plot(along, [curve.at(count) for count in along], color=GREY, linestyle="--")
    axes.set(xlabel="micrographs learned from", ylabel="Dice on the golden set")
    axes.grid(alpha=0.3)
    return _png(figure)


def _png(figure: Figure) -> str:
    """PNG of a figure as base64."""
    FigureCanvasAgg(figure)  # becomes the canvas of the figure; no window system is asked for
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return base64.b64encode(buffer.getvalue()).decode()


def _plain(text: str) -> str:
    """Text that matplotlib does not read as a formula."""
    return text.replace("$", r"\$")

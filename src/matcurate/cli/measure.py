"""Measure label images."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matcurate.cli.output import JsonFlag, emit, emit_table, session
from matcurate.cli.pixel_size import NmPerPxOption, NmPerPxYOption, stated_calibration

if TYPE_CHECKING:
    from matcurate.plain.measure import MeasureReport

ROWS = 20
"""Objects that the terminal shows; --out and --json give all."""
COLUMNS = ("id", "phase", "area", "perimeter", "diameter", "circularity", "x", "y")


class ContentChoice(StrEnum):
    """What a label image holds."""

    auto = "auto"
    instances = "instances"
    phases = "phases"


class StructureChoice(StrEnum):
    """Whether the objects fill the image."""

    auto = "auto"
    grains = "grains"
    objects = "objects"


class BoundariesChoice(StrEnum):
    """Colour of the boundary lines in an image of two colours."""

    auto = "auto"
    white = "white"
    black = "black"
    none = "none"


def measure(
    ctx: typer.Context,
    labels: Annotated[
        Path,
        typer.Argument(
            metavar="LABELS", help="Object ids, class ids or boundaries: a PNG or TIFF; ImageJ's RoiSet.zip."
        ),
    ],
    phases: Annotated[
        Path | None, typer.Option(help="Class ids for the objects in LABELS [the file beside it, if any].")
    ] = None,
    nm_per_px: NmPerPxOption = None,
    nm_per_px_y: NmPerPxYOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the tables and the plot; made when missing.")] = None,
    content: Annotated[
        ContentChoice, typer.Option("--as", help="What LABELS holds [auto: by its name, else by its content].")
    ] = ContentChoice.auto,
    structure: Annotated[
        StructureChoice, typer.Option(help="Grains fill the image, objects lie apart [auto: by their cover].")
    ] = StructureChoice.auto,
    ignore_bars: Annotated[
        bool,
        typer.Option("--ignore-bars/--count-bars", help="Data bar and borders, where known, are left out, or counted."),
    ] = True,
    boundaries: Annotated[
        BoundariesChoice,
        typer.Option(
            help="Colour of the lines between grains in an image of two colours [auto: a thin network, if any]."
        ),
    ] = BoundariesChoice.auto,
    image: Annotated[
        Path | None, typer.Option(help="Micrograph that ImageJ's regions in LABELS were drawn on.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Measure objects and phases: sizes, shapes, phase fractions, ASTM E112 grain size, distances."""
    if phases is not None and content is ContentChoice.phases:
        raise typer.BadParameter("LABELS cannot hold classes when --phases names them", param_hint="--as")
    if boundaries in (BoundariesChoice.white, BoundariesChoice.black) and content is ContentChoice.instances:
        raise typer.BadParameter(
            "LABELS cannot hold object ids when it shows boundary lines", param_hint="--boundaries"
        )
    from matcurate.plain.measure import measure_labels

    calibration = stated_calibration(nm_per_px, nm_per_px_y)
    report = measure_labels(
        labels,
        phases=phases,
        content=content.value,
        structure=structure.value,
        boundaries=boundaries.value,
        image=image,
        calibration=calibration,
        out=out,
        ignore_bars=ignore_bars,
        max_megapixels=session(ctx).settings.max_megapixels,
    )
    emit(report, json, _show)


def _show(report: MeasureReport) -> None:
    summary = report.summary
    if report.boundaries is not None:
        typer.echo(f"{report.path} is read as {report.boundaries.reason}")
    if report.objects:
        emit_table(_title(report), COLUMNS, _object_rows(report))
    phases = [
        (
            phase.name or str(phase.id),
            _interval(phase.area_fraction.fraction, phase.area_fraction.low, phase.area_fraction.high),
            _interval(phase.point_count.fraction, phase.point_count.low, phase.point_count.high),
            _interval(phase.mean_chord),
        )
        for phase in summary.phases
    ]
    emit_table("Phases", ("phase", "area fraction", "points (E562)", f"chord / {summary.unit}"), phases)
    emit_table(f"Summary, lengths in {summary.unit}", ("", "value (95 %)"), _summary_rows(report))
    for written in report.files:
        typer.echo(written)


def _title(report: MeasureReport) -> str:
    summary = report.summary
    rest = f", the first {ROWS} (--out and --json give all)" if summary.count > ROWS else ""
    return f"{summary.count} {summary.structure}{rest}, lengths in {summary.unit}"


def _object_rows(report: MeasureReport) -> list[list[object]]:
    """Ids, sizes and places of the first objects, in the unit of the summary."""
    edge, height = report.summary.px_size, report.summary.px_size_y
    factors = {
        "area_px": edge * height,
        "perimeter_px": edge,
        "equivalent_diameter_px": edge,
        "circularity": 1.0,
        "x_px": edge,
        "y_px": height,
    }
    return [
        [row["id"], row["phase"], *((row[name] or 0.0) * factor for name, factor in factors.items())]
        for row in report.objects[:ROWS]
    ]


def _summary_rows(report: MeasureReport) -> list[tuple[str, str]]:
    summary, grain_size = report.summary, report.summary.grain_size
    sizes, spacing = summary.sizes[0], summary.spacing[0]
    rows = []
    if grain_size.intercept is not None:
        intercept = grain_size.intercept
        rows.append(("ASTM E112 G, intercept", _interval(intercept.grain_size_number, intercept.low, intercept.high)))
        rows.append(("mean intercept", _interval(intercept.mean_intercept)))
    if grain_size.planimetric is not None:
        count = grain_size.planimetric
        rows.append(("ASTM E112 G, planimetric", _interval(count.grain_size_number, count.low, count.high)))
        rows.append(("mean grain area, planimetric", _interval(count.mean_area)))
    if grain_size.note is not None:
        rows.append(("ASTM E112", grain_size.note))
    return [
        *rows,
        ("mean area", _interval(sizes.mean_area)),
        ("mean equivalent diameter", _interval(sizes.mean_diameter)),
        ("d10, d50, d90", ", ".join(_interval(d) for d in (sizes.d10, sizes.d50, sizes.d90))),
        ("nearest neighbour, mean", _interval(spacing.mean)),
        ("circularity, mean", _interval(summary.shape.circularity)),
        ("aspect ratio, mean", _interval(summary.shape.aspect_ratio)),
        ("neighbours, mean", _interval(summary.shape.neighbours)),
    ]


def _interval(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """Four digits, with the interval when there is one."""
    if value is None:
        return "-"
    return f"{value:.4g}" if high is None else f"{value:.4g} ({_interval(low)} to {high:.4g})"

"""Show what the reader makes of image files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matcurate.cli.output import JsonFlag, emit_json, emit_table, progress_bar, refuse, session, warn

if TYPE_CHECKING:
    from matcurate.plain.inspect import InspectedFile, InspectedPage

COLUMNS = ("file", "format", "page", "rows x columns", "dtype", "nm per px", "source", "data bar", "recorded with")


def inspect(
    ctx: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Micrographs, or folders of them.")],
    json: JsonFlag = False,
) -> None:
    """Show format, pages, pixel size with its source, data bar and microscope of image files."""
    from matcurate.plain.inspect import inspect_files

    with progress_bar("Reading") as progress:
        report = inspect_files(paths, max_megapixels=session(ctx).settings.max_megapixels, progress=progress)
    if json:
        emit_json(report)
    elif report.files:
        emit_table("Images", COLUMNS, [_row(file, page) for file in report.files for page in file.pages])
        for file in report.files:
            for page in file.pages:
                for warning in page.warnings:
                    warn(f"{_place(file, page)}: {warning}")
    refuse(report.problems)


def _row(file: InspectedFile, page: InspectedPage) -> tuple[str, ...]:
    return (
        Path(file.path).name,
        file.format,
        f"{page.page} {page.name}".strip(),
        f"{page.height} x {page.width}",
        page.dtype,
        _scale(page),
        page.scale_source or "-",
        "-" if page.databar is None else f"{page.databar[0]} to {page.databar[1]}",
        _recorded(page),
    )


def _place(file: InspectedFile, page: InspectedPage) -> str:
    return file.path if len(file.pages) == 1 else f"{file.path}: page {page.page}"


def _scale(page: InspectedPage) -> str:
    x, y = page.nm_per_px, page.nm_per_px_y
    if x is None or y is None:
        return "-"
    return f"{x:.5g}" if x == y else f"{x:.5g} x {y:.5g}"


def _recorded(page: InspectedPage) -> str:
    acquisition = page.acquisition
    parts = [acquisition.instrument, acquisition.detector]
    if acquisition.voltage_kv is not None:
        parts.append(f"{acquisition.voltage_kv:g} kV")
    if acquisition.magnification is not None:
        parts.append(f"{acquisition.magnification:g} times")
    if acquisition.working_distance_mm is not None:
        parts.append(f"WD {acquisition.working_distance_mm:.3g} mm")
    parts.append(acquisition.acquired_at)
    return ", ".join(part for part in parts if part) or "-"

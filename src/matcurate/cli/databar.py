"""Data bars: what was recognised, and the switch for where that is wrong."""

from __future__ import annotations

from typing import Annotated

import typer

from matcurate.cli.output import JsonFlag, emit_json, emit_table, progress_bar, session


def databar(
    ctx: typer.Context,
    ids: Annotated[list[int] | None, typer.Argument(metavar="[IDS]", help="Micrographs, by catalog id [all].")] = None,
    on: Annotated[
        bool | None,
        typer.Option("--on/--off", help="Ignore their data bars and scale bars, or count all pixels [only show]."),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Show what is taken for data bars and scale bars, or switch off for micrographs where that is wrong."""
    from matcurate.workflows.ingest import bars_of, switch_bars

    if on is not None and not ids:
        raise typer.BadParameter("--on and --off need the ids of micrographs", param_hint="IDS")
    workspace = session(ctx).workspace
    if on is not None and ids:
        switch_bars(workspace, ids, on)
    with progress_bar("Data bars") as progress:
        bars = bars_of(workspace, ids or None, progress)
    if json:
        emit_json({"micrographs": bars})
    else:
        rows = [(b.id, b.name, b.top, b.bottom, f"{b.share:.1%}", "ignored" if b.ignored else "counted") for b in bars]
        emit_table("Data bars", ("id", "micrograph", "rows above", "rows below", "share", "bars are"), rows)

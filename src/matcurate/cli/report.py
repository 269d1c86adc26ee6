"""``curate report``: how a project stands, and whether to stop labelling."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matcurate.cli.output import JsonFlag, SeedOption, emit_json, emit_table, progress_bar, session, warn

if TYPE_CHECKING:
    from matcurate.workflows.reporting import ProjectReport


def report(
    ctx: typer.Context,
    out: Annotated[Path | None, typer.Option(help="HTML file to write; a file that is there is replaced.")] = None,
    seed: SeedOption = 0,
    as_json: JsonFlag = False,
) -> None:
    """Say whether another round of labelling is worth it, and why; with --out as a page with pictures."""
    from matcurate.workflows.reporting import project_report

    if seed < 0:
        raise typer.BadParameter("must not be negative", param_hint="--seed")
    with progress_bar("report") as progress:
        project = project_report(session(ctx).workspace, seed=seed, progress=progress)
    if out is not None:
        from matcurate.workflows.reporting import write_page  # with matplotlib

        write_page(out, project)
    if as_json:
        emit_json({**asdict(project), "out": out})
    else:
        _show(project)


def _show(project: ProjectReport) -> None:
    emit_table(f"{project.project}: {project.verdict}", ["why"], [[reason] for reason in project.why])
    if project.silent is not None:
        warn(
            f"MLflow at {project.silent} does not answer, so no version is known; start it ('curate up') and ask again"
        )
    rows = [[name, share.mean, share.low, share.high, share.images] for name, share in project.fractions.items()]
    if rows:
        emit_table("Area fractions", ["phase", "mean", "low", "high", "micrographs"], rows)

"""Pre-train the built-in network."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from matcurate.cli.output import JsonFlag, SeedOption, emit_json, emit_table, progress_bar, session


def register(app: typer.Typer) -> None:
    """Add this group's commands to ``curate``."""
    app.command()(pretrain)


def pretrain(
    ctx: typer.Context,
    config: Annotated[str, typer.Option(help="Recipe: a name in configs/pretrain, or a YAML file.")] = "boundary",
    real: Annotated[list[Path] | None, typer.Option(help="Dataset folder that joins in; may be repeated.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    start: Annotated[str | None, typer.Option(help="Weights to begin with: 'builtin' or a file [random].")] = None,
    minutes: Annotated[float | None, typer.Option(min=0, help="Stop after so long; without it, all steps.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run [HOME/pretrain/RECIPE].")] = None,
    device: Annotated[str | None, typer.Option(help="torch device [a GPU when there is one].")] = None,
    seed: SeedOption = 0,
    as_json: JsonFlag = False,
) -> None:
    """Train the built-in network on generated micrographs, and on real ones where given."""
    from matcurate.workflows.pretrain import pretrain as run

    folder = out or session(ctx).settings.home / "pretrain" / Path(config).stem
    with progress_bar("training") as progress:
        report = run(
            config,
            folder,
            real=real or (),
            resume=resume,
            start=start,
            minutes=minutes,
            seed=seed,
            device=device,
            progress=progress,
        )
    if as_json:
        emit_json(asdict(report))
        return
    title = f"{report.recipe}: {report.step} steps, {report.minutes:.1f} minutes, {report.weights}"
    rows = [[head, source, value] for head, row in report.accuracy.items() for source, value in row.items()]
    emit_table(title, ["head", "source", "balanced accuracy"], rows)
    judged: list[tuple[str, float | None, float | None]] = []
    if report.quality is not None:
        quality = report.quality
        judged += [("points: rank, error", quality.rank, quality.error)]
        judged += [("boxes: rank, error", quality.boxed_rank, quality.boxed_error)]
    if report.answers is not None:
        judged.append(("answers: IoU, error of the best", report.answers.overlap, report.answers.error))
    if report.seams is not None:
        judged.append(("grains: adjusted Rand index", report.seams.ari, None))
    emit_table(
        "on pictures kept apart", ["judged", "", ""], [["" if cell is None else cell for cell in row] for row in judged]
    )

"""``curate bench prompts``: what a backbone answers to an expert's clicks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matcurate.cli.output import JsonFlag, SeedOption, emit_json, emit_table, progress_bar, session


def prompts(
    ctx: typer.Context,
    dataset: Annotated[Path, typer.Argument(help="Dataset folder with images/ and masks/ or instances/.")],
    clicks: Annotated[int, typer.Option(min=1, max=50, help="Clicks on each object.")] = 5,
    backbone: Annotated[
        str | None,
        typer.Option(help="auto, builtin, vit_b, vit_l, vit_h, or otsu, the plain rule [of the settings, else auto]."),
    ] = None,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="Weights from a fixed seed: for timing, useless on images.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first images, by name [all].")] = None,
    change: Annotated[
        str | None, typer.Option(help="Change every image first, as 'curate bench robust' does: blur-2, noise-20 ….")
    ] = None,
    seed: SeedOption = 0,
    json: JsonFlag = False,
) -> None:
    """Click on objects as an expert would, and measure the masks: IoU after each click, and for a box."""
    from matcurate.bench.prompts import bench_prompts, table_rows

    with progress_bar("Clicking") as progress:
        report = bench_prompts(
            dataset,
            session(ctx).settings,
            backbone=backbone,
            clicks=clicks,
            limit=limit,
            change=change,
            seed=seed,
            random_weights=random_weights,
            progress=progress,
        )
    if json:
        emit_json(report)
    else:
        title = f"{report.backbone} on {report.objects} objects of {report.images} images of {report.dataset}"
        emit_table(title, ("measure", "value"), list(table_rows(report)))

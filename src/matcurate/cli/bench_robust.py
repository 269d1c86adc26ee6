"""Benchmark of changed images: how well a method copes with blur, noise, data bars and other changes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matcurate.cli.output import JsonFlag, SeedOption, emit_json, emit_table, progress_bar, refuse, session
from matcurate.cli.segment import BackboneOption, PolarityOption, PresetOption


def robust(
    ctx: typer.Context,
    dataset: Annotated[Path, typer.Argument(help="Dataset folder with images/ and masks/.")],
    method: Annotated[str, typer.Option(help="matsam, amg, otsu, bias, adaptive, canny or watershed.")] = "matsam",
    preset: PresetOption = None,
    backbone: BackboneOption = None,
    polarity: PolarityOption = None,
    changes: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="By comma: blur-2, noise-20, shaded, data-bar … [all].")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first images, by name [all].")] = None,
    seed: SeedOption = 0,
    json: JsonFlag = False,
) -> None:
    """Compare a segmentation method with the masks after each change of the images (blur, noise, data bar …)."""
    from matcurate.bench.robust import CHANGE_NAMES, bench_robust
    from matcurate.bench.segment import METHODS

    if method not in METHODS:
        raise typer.BadParameter(f"{method!r} is not one of {', '.join(METHODS)}", param_hint="--method")
    names = None if changes is None else [name.strip() for name in changes.split(",") if name.strip()]
    unknown = sorted(set(names or ()) - set(CHANGE_NAMES))
    if unknown or names == []:
        raise typer.BadParameter(f"{changes!r}: choose from {', '.join(CHANGE_NAMES)}", param_hint="--changes")
    with progress_bar("Segmenting") as progress:
        report = bench_robust(
            dataset,
            method,
            settings=session(ctx).settings,
            preset=preset,
            backbone=backbone,
            polarity=polarity.value if polarity else None,
            changes=names,
            limit=limit,
            seed=seed,
            progress=progress,
        )
    if json:
        emit_json(report)
    else:
        scores = [("unchanged", report), *report.changes.items()]
        rows = [
            (name, s.iou, s.iou - report.iou, s.iou_foreground, s.f1, s.recall, s.ari, s.seconds_per_image)
            for name, s in scores
        ]
        columns = ("change", "IoU", "difference", "IoU foreground", "F1", "recall", "ARI", "seconds")
        mean = (report.mean_iou_changes, report.mean_iou_changes - report.iou, "", "", "", report.mean_ari_changes, "")
        title = f"{report.version or report.method} on {report.images} images of {report.dataset}"
        emit_table(title, columns, [*rows, ("mean of the changes", *mean)])
    refuse([*report.problems, *(f"{name}: {p}" for name, s in report.changes.items() for p in s.problems)])

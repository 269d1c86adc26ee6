"""Pre-train the built-in network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matcurate.cli.output import JsonFlag, SeedOption, emit, emit_json, emit_table, progress_bar, session


def pretrain(
    ctx: typer.Context,
    config: Annotated[str, typer.Option(help="Recipe: a name in configs/pretrain, or a YAML file.")] = "objects",
    real: Annotated[list[Path] | None, typer.Option(help="Dataset folder to learn from; may be repeated.")] = None,
    val: Annotated[
        list[Path] | None, typer.Option(help="Dataset folder that chooses the best weights; may be repeated.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out.")] = False,
    start: Annotated[
        str | None, typer.Option(help="Weights to start from: imagenet, builtin or a file [imagenet].")
    ] = None,
    minutes: Annotated[float | None, typer.Option(min=0, help="Stop after this time; without it, all steps.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run [HOME/pretrain/RECIPE].")] = None,
    device: Annotated[str | None, typer.Option(help="torch device [a GPU when there is one].")] = None,
    seed: SeedOption = 0,
    as_json: JsonFlag = False,
) -> None:
    """Train the built-in network on generated micrographs, and on real ones where given; or the metric of discovery."""
    from matcurate.pretraining.metric import is_metric, pretrain_metric
    from matcurate.pretraining.run import pretrain as run

    folder = out or session(ctx).settings.home / "pretrain" / Path(config).stem
    if is_metric(config):
        if val or resume or start or minutes is not None or device:
            raise typer.BadParameter("a metric is learned in one go; only --real, --out and --seed go with it")
        with progress_bar("learning") as progress:
            learned = pretrain_metric(config, folder, real=real or (), seed=seed, progress=progress)
        rows = [[name, learned.right[name], learned.weights[name]] for name in learned.weights]
        emit(
            learned, as_json, lambda _: emit_table(f"{learned.textures} textures", ["engine", "right K", "file"], rows)
        )
        return
    with progress_bar("training") as progress:
        report = run(
            config,
            folder,
            real=real or (),
            val=val or (),
            resume=resume,
            start=start,
            minutes=minutes,
            seed=seed,
            device=device,
            progress=progress,
        )
    if as_json:
        emit_json(report)
        return
    title = f"{report.recipe}: step {report.best_step} of {report.step}, {report.minutes:.1f} minutes, {report.weights}"
    emit_table(title, ["kept apart", "IoU"], [[source, value] for source, value in report.scores.items()])
    if report.quality is not None:
        quality = report.quality
        rows = [["points", quality.rank, quality.error], ["boxes", quality.boxed_rank, quality.boxed_error]]
        emit_table("expected and true IoU of answers", ["prompt", "rank correlation", "mean error"], rows)

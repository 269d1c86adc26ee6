"""Benchmarks: what the tables in docs/ are made with."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from matcurate.cli.bench_evidence import active, novelty
from matcurate.cli.bench_prompts import prompts
from matcurate.cli.bench_robust import robust
from matcurate.cli.discover import EngineChoice, EngineOption, parse_regions
from matcurate.cli.output import JsonFlag, SeedOption, emit, emit_json, emit_table, progress_bar, refuse, session
from matcurate.cli.segment import BackboneOption, PolarityOption, PresetOption
from matcurate.cli.synth import parse_size

if TYPE_CHECKING:  # It brings torch, which takes seconds to import.
    from matcurate.bench.finetune import FinetuneBenchmark

bench = typer.Typer(name="bench", help="Measure on your own data what the tables in docs/ show.", no_args_is_help=True)
for _command in (novelty, active, robust, prompts):
    bench.command()(_command)


@bench.command("segment")
def segment(
    ctx: typer.Context,
    dataset: Annotated[Path, typer.Argument(help="Dataset folder with images/ and masks/.")],
    method: Annotated[str, typer.Option(help="matsam, amg, otsu, bias, adaptive, canny or watershed.")] = "matsam",
    preset: PresetOption = None,
    backbone: BackboneOption = None,
    polarity: PolarityOption = None,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="Weights from a fixed seed: for timing, useless on images.")
    ] = False,
    open_filters: Annotated[
        bool, typer.Option("--open-filters", help="Keep masks of any quality (matsam, amg): for timing.")
    ] = False,
    post_processing: Annotated[
        bool | None,
        typer.Option(
            "--post-processing/--no-post-processing",
            help="Filter masks by contrast, split touching objects, fill gaps between grains [the preset's]. "
            "With it a classical method fills the gaps between grains.",
        ),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Compare a segmentation method with the masks of a dataset folder."""
    from matcurate.bench.segment import METHODS, bench_segment

    if method not in METHODS:
        raise typer.BadParameter(f"{method!r} is not one of {', '.join(METHODS)}", param_hint="--method")
    with progress_bar("Segmenting") as progress:
        report = bench_segment(
            dataset,
            method,
            settings=session(ctx).settings,
            preset=preset,
            backbone=backbone,
            polarity=polarity.value if polarity else None,
            random_weights=random_weights,
            open_filters=open_filters,
            post_processing=post_processing,
            progress=progress,
        )
    if json:
        emit_json(report)
    else:
        rows = [
            (s.name, s.iou, s.iou_foreground, s.f1, s.recall, s.ari, s.polarity, s.seconds) for s in report.per_image
        ]
        mean = (report.iou, report.iou_foreground, report.f1, report.recall, report.ari, "", report.seconds_per_image)
        columns = ("image", "IoU", "IoU foreground", "F1", "recall", "ARI", "polarity", "seconds")
        emit_table(f"{report.version or report.method} on {report.dataset}", columns, [*rows, ("mean", *mean)])
    refuse(report.problems)


@bench.command("boost")
def boost(
    ctx: typer.Context,
    dataset: Annotated[Path, typer.Argument(help="Dataset folder with images/ and masks/.")],
    materials: Annotated[
        str, typer.Option(help="Number of materials; auto estimates it, known takes it from each image's mask.")
    ] = "auto",
    backbone: BackboneOption = None,
    preset: Annotated[str, typer.Option(help="layers, inclusions or the path of a YAML file.")] = "layers",
    masks: Annotated[
        str | None, typer.Option(help="MatSAM's preset for the raw masks [layers for layers, else phases].")
    ] = None,
    background: Annotated[
        bool | None,
        typer.Option(help="Class 0 is a material too [it is, unless there are as many others as --materials]."),
    ] = None,
    seed: SeedOption = 0,
    json: JsonFlag = False,
) -> None:
    """Measure SAM-I-Am's booster: MatSAM's raw masks against a dataset's classes, before and after."""
    from matcurate.bench.boost import bench_boost, parse_materials

    try:
        count = parse_materials(materials)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--materials") from error
    with progress_bar("Boosting") as progress:
        report = bench_boost(
            dataset,
            count,
            settings=session(ctx).settings,
            backbone=backbone,
            preset=preset,
            masks=masks,
            background=background,
            seed=seed,
            progress=progress,
        )
    if json:
        emit_json(report)
    else:
        before, after, gain = (asdict(scores) for scores in (report.before, report.after, report.gain))
        rows = [(name.replace("_", " "), before[name], after[name], gain[name]) for name in before]
        title = f"{report.images} images of {report.dataset}, {report.backbone}, {report.materials} materials"
        emit_table(title, ("score", "before", "after", "gain"), rows)
    refuse(report.problems)


@bench.command("discover")
def discover(
    ctx: typer.Context,
    image: Annotated[Path, typer.Argument(help="Image of several textures.")],
    truth: Annotated[Path, typer.Option(help="Mask of region ids, of the size of the image.")],
    engine: EngineOption = EngineChoice.network,
    regions: Annotated[str, typer.Option(metavar="K|auto", help="Number of regions; auto estimates it.")] = "auto",
    seed: SeedOption = 0,
    json: JsonFlag = False,
) -> None:
    """Compare discovered regions with a mask: their number, and the share of pixels in the right one."""
    from matcurate.bench.discover import bench_discover

    count = parse_regions(regions)
    with progress_bar("Discovering") as progress:
        report = bench_discover(
            image,
            truth,
            engine=engine.value,
            regions=count,
            seed=seed,
            max_megapixels=session(ctx).settings.max_megapixels,
            progress=progress,
        )
    if json:
        emit_json(report)
    else:
        row = (report.regions_found, report.regions_true, report.pixel_accuracy, report.seconds)
        emit_table(image.name, ("regions", "true regions", "pixel accuracy", "seconds"), [row])


@bench.command("codec")
def codec(
    size: Annotated[str, typer.Option(metavar="HxW", help="Height x width in pixels.")] = "1024x1024",
    seed: SeedOption = 0,
    json: JsonFlag = False,
) -> None:
    """Time Label Studio's brush codec against label_studio_sdk's, and check that they agree bit for bit."""
    shape = parse_size(size)
    from matcurate.bench.codec import bench_codec

    with progress_bar("Coding") as progress:
        report = bench_codec(shape, seed, progress=progress)
    if json:
        emit_json(report)
        return
    rows = [
        (m.name, m.bytes, m.encode_seconds, m.encode_seconds_sdk, m.decode_seconds, m.decode_seconds_sdk, m.identical)
        for m in report.masks
    ]
    median = (report.encode_seconds, report.encode_seconds_sdk, report.decode_seconds, report.decode_seconds_sdk)
    columns = ("mask", "bytes", "encode s", "encode s (SDK)", "decode s", "decode s (SDK)", "identical")
    emit_table(f"brush codec at {size}", columns, [*rows, ("median", "", *median, report.identical)])


@bench.command("finetune")
def finetune(
    ctx: typer.Context,
    train: Annotated[Path, typer.Argument(help="Dataset folder to learn from.")],
    val: Annotated[Path, typer.Argument(help="Dataset folder to measure on.")],
    rank: Annotated[int | None, typer.Option(min=1, help="Of the LoRA adapters [the preset's].")] = None,
    plm: Annotated[bool, typer.Option("--plm/--no-plm", help="With the Phase Learning Module, or without.")] = True,
    ratio: Annotated[
        str,
        typer.Option(
            help="Given when measuring: exact, none, alpha=0.9 (its accuracy), noise=1.3 (times or over that), "
            "mean (of the training pictures), other (of another picture)."
        ),
    ] = "alpha=0.9",
    trust: Annotated[
        Literal["measured", "guess"],
        typer.Option(help="measured: the areas are met; guess: weighed against the model's own."),
    ] = "guess",
    steps: Annotated[int | None, typer.Option(min=1, help="Of training [the preset's].")] = None,
    backbone: BackboneOption = None,
    preset: Annotated[str | None, typer.Option(help="builtin, layers, sam or the path of a YAML file.")] = None,
    adapter: Annotated[Path | None, typer.Option(help="Keep the trained adapter in this file.")] = None,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="Weights from a fixed seed: for timing, useless on images.")
    ] = False,
    seed: SeedOption = 0,
    json: JsonFlag = False,
) -> None:
    """Fine-tune a backbone on one dataset folder and measure it on another."""
    from matcurate.bench.finetune import FinetuneChoice, bench_finetune

    try:
        choice = FinetuneChoice(preset, backbone, rank, plm, ratio, trust, steps, seed, random_weights)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--ratio") from error
    with progress_bar("Training") as progress:
        report = bench_finetune(train, val, choice, settings=session(ctx).settings, adapter=adapter, progress=progress)
    emit(report, json, _show)


def _show(report: FinetuneBenchmark) -> None:
    """Scores of the phases, and parameters of the parts."""
    measures = (report.phases, report.dice_per_class, report.iou_per_class, report.boundary_f1_per_class)
    rows: list[tuple[object, ...]] = list(zip(*measures, strict=True))
    rows += [(f"mean, ratio {name}", dice, "", "") for name, dice in report.dice_by_ratio.items()]
    module = " + PLM" if report.plm else ""
    title = f"{report.backbone} rank {report.rank}{module}, {report.steps} steps, on {report.val}"
    emit_table(title, ("phase", "Dice", "IoU", "boundary F1"), rows)
    emit_table(
        f"{report.trainable_parameters} of {report.total_parameters} parameters trained, "
        f"{report.seconds_per_step:.2f} s a step, {report.peak_mb:.0f} MB",
        ("part", "parameters"),
        list(report.parameters.items()),
    )

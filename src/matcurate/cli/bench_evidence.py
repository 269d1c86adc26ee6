"""Benchmarks of evidence: what a model does not know, and what the expert should label next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from matcurate.cli.output import JsonFlag, SeedOption, emit_json, emit_table, progress_bar, session
from matcurate.cli.segment import BackboneOption

if TYPE_CHECKING:
    from matcurate.config import NetworkName, NetworkSettings, Settings


def novelty(
    ctx: typer.Context,
    textures: Annotated[Path, typer.Argument(help="Folder with one texture image for each class.")],
    known: Annotated[int | None, typer.Option(min=2, help="Classes to learn [all but the novel ones].")] = None,
    novel: Annotated[int, typer.Option(min=1, help="Classes never seen.")] = 4,
    choices: Annotated[int, typer.Option(min=1, help="Random choices of the classes; the means are reported.")] = 3,
    crop: Annotated[int, typer.Option(min=32, help="Edge of a crop in pixels.")] = 128,
    backbone: BackboneOption = None,
    model: Annotated[
        str, typer.Option(help="head: on the backbone's embeddings; or a torchvision classifier: resnet18, alexnet …")
    ] = "head",
    weights: Annotated[
        str | None, typer.Option(help="To begin with: imagenet, none (drawn at random), or a .pth file.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of the classifier's training.")] = None,
    seed: SeedOption = 0,
    json: JsonFlag = False,
) -> None:
    """Learn some textures, and measure how well others are recognised as new."""
    from matcurate.bench.novelty import NoveltyDraws, bench_novelty, head_learning, network_learning

    settings = session(ctx).settings
    network, options = _network(settings, model, weights, epochs)
    draws = NoveltyDraws(known, novel, choices, crop, seed)
    learning = network_learning(settings, network, options, crop) if network else head_learning(settings, backbone)
    with progress_bar("Learning") as progress:
        report = bench_novelty(textures, draws, learning, max_megapixels=settings.max_megapixels, progress=progress)
    if json:
        emit_json(report)
        return
    names = ("accuracy", "top5", "u_known", "u_novel", "auroc", "auroc_max_softmax")
    rows = [(", ".join(choice.novel), *(getattr(choice, name) for name in names)) for choice in report.per_choice]
    rows.append(("mean", *(getattr(report, name) for name in names)))
    title = (
        f"{report.known} known and {report.novel} novel classes of {report.textures}, {report.model} {report.backbone}"
    )
    emit_table(title, ("novel", *(name.replace("_", " ") for name in names)), rows)


def _network(
    settings: Settings, model: str, weights: str | None, epochs: int | None
) -> tuple[NetworkName | None, NetworkSettings]:
    """The network to fine-tune, None for the head, and how: options over the settings."""
    from matcurate.config import NetworkName

    given = {"weights": weights, "epochs": epochs}
    options = settings.classes.network.model_copy(update={k: value for k, value in given.items() if value is not None})
    if model == "head":
        if weights or epochs:
            raise typer.BadParameter("--weights and --epochs need a classifier; name it with --model")
        return None, options
    networks = {name: name for name in get_args(NetworkName)}
    if model not in networks:
        raise typer.BadParameter(f"no model {model!r}; use one of: head, {', '.join(networks)}", param_hint="--model")
    return networks[model], options


def active(
    ctx: typer.Context,
    train: Annotated[Path, typer.Argument(help="Dataset folder to choose crops from.")],
    val: Annotated[Path, typer.Argument(help="Dataset folder to measure on.")],
    strategies: Annotated[
        str, typer.Option(help="By comma: random, entropy, margin, bald, kcenter, evidential, evidential-diverse …")
    ] = "random,entropy,margin,bald,kcenter,evidential,evidential-diverse",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of labelling.")] = 10,
    batch: Annotated[int, typer.Option(min=1, help="Crops labelled in a round.")] = 4,
    seeds: Annotated[int, typer.Option(min=1, help="Repetitions; means are reported.")] = 3,
    crop: Annotated[int, typer.Option(min=32, help="Edge of a crop in pixels.")] = 256,
    preset: Annotated[str | None, typer.Option(help="builtin, layers, sam or a YAML file: its magnification.")] = None,
    backbone: BackboneOption = None,
    seed: SeedOption = 0,
    json: JsonFlag = False,
) -> None:
    """Label crops round by round as each strategy chooses them, and measure after each round."""
    from matcurate.bench.active import ActiveChoice, bench_active

    names = tuple(name.strip() for name in strategies.split(",") if name.strip())
    choice = ActiveChoice(names, rounds, batch, seeds, crop, preset, backbone, seed)
    with progress_bar("Playing") as progress:
        report = bench_active(train, val, choice, settings=session(ctx).settings, progress=progress)
    if json:
        emit_json(report)
        return
    marks = [report.labelled[place] for place in range(0, len(report.labelled), max(1, len(report.labelled) // 5))]
    rows = [
        (
            name,
            *(curve.dice[report.labelled.index(mark)] for mark in marks),
            curve.area,
            curve.images_to_target or "not reached",
        )
        for name, curve in report.strategies.items()
    ]
    title = f"{report.pool} crops of {report.crop} pixels; Dice with all of them {report.full_dice:.4f}"
    header = ("strategy", *(f"{mark} crops" for mark in marks), "area", f"crops to {report.target:.4f}")
    emit_table(title, header, rows)

"""Discover regions of one texture without labels."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from matcurate.cli.output import JsonFlag, SeedOption, emit_json, emit_table, progress_bar, refuse, session, warn


class EngineChoice(StrEnum):
    """How places of an image are described and clustered."""

    network = "network"
    fisher = "fisher"
    paper = "paper"


EngineOption = Annotated[
    EngineChoice,
    typer.Option(
        help="network: features of the built-in encoder; fisher: scores of linear models; paper: as published."
    ),
]


def discover(
    ctx: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Micrographs, or folders of them.")],
    out: Annotated[Path, typer.Option(help="Folder for the results; made when missing.")] = Path("discovered"),
    engine: EngineOption = EngineChoice.network,
    regions: Annotated[str, typer.Option(metavar="K|auto", help="Number of regions; auto estimates it.")] = "auto",
    ignore_bars: Annotated[
        bool,
        typer.Option(
            "--ignore-bars/--count-bars", help="Data bars, borders and scale bars count for nothing, or as the rest."
        ),
    ] = True,
    seed: SeedOption = 0,
    json: JsonFlag = False,
) -> None:
    """Divide micrographs into regions of one texture, without labels, and say how many there are."""
    from matcurate.plain import HANDED_OVER, discover_files
    from matcurate.workflows.classes import open_region_classifier

    count = parse_regions(regions)
    with progress_bar("Discovering") as progress:
        report = discover_files(
            paths,
            out,
            settings=session(ctx).settings,
            engine=engine.value,
            regions=count,
            seed=seed,
            ignore_bars=ignore_bars,
            classify=open_region_classifier(session(ctx).settings),
            progress=progress,
        )
    if json:
        emit_json(report)
    elif report.images:
        emit_table(
            str(out),
            ("image", "regions", "seconds"),
            [(each.name, each.regions, each.seconds) for each in report.images],
        )
        for each in report.images:
            typer.echo(f"{each.name}: {each.reason}")
            if each.segmented is not None:
                typer.echo(f"{each.name}: {HANDED_OVER}")
            for region in each.classes or ():
                like = ", ".join(f"{name} {probability:.2f}" for name, probability in region.similar)
                what = f"new class? (most similar: {like})" if region.new else f"{region.name} ({like})"
                typer.echo(f"{each.name}: region {region.region}: {what}, vacuity {region.vacuity:.2f}")
        if all(each.classes is None for each in report.images):
            warn("no class has been named in this home, so the regions have no names; see 'curate classes'")
    refuse(report.problems)


def parse_regions(text: str) -> int | None:
    """Number of a ``--regions`` option, None for auto."""
    if text == "auto":
        return None
    if not text.isdigit():
        raise typer.BadParameter(f"{text!r} is neither a number nor auto", param_hint="--regions")
    return int(text)

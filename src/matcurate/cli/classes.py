"""Microstructure classes: list them and what may be new, name, merge, show examples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matcurate.cli.output import Json, JsonFlag, SeedOption, emit_json, emit_table, progress_bar, refuse, session

if TYPE_CHECKING:
    from matcurate.workflows.classes import Box, ClassChange, Crop, Likeness, Unnamed

classes = typer.Typer(help="Microstructure classes, and micrographs that may be of a new one.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the class, new or known.")]
SHOWN = 3
"""Similar classes in a table; ``--json`` has them all."""


@classes.command("list")
def list_(
    ctx: typer.Context,
    similar: Annotated[int, typer.Option(min=1, help="Most similar classes for each micrograph.")] = 10,
    as_json: JsonFlag = False,
) -> None:
    """List the classes, and the unnamed micrographs: first those that may be a new class, least known first."""
    from matcurate.workflows.classes import overview

    with progress_bar("classes") as progress:
        known = overview(session(ctx).workspace, similar=similar, progress=progress)
    if as_json:
        emit_json(
            {
                "classes": [
                    {
                        "name": c.record.name,
                        "channel": c.record.channel,
                        "micrographs": c.micrographs,
                        "named_by": c.record.named_by,
                        "named_at": c.record.named_at,
                        "merged_into": c.record.merged_into,
                    }
                    for c in known.classes
                ],
                "threshold": known.threshold,
                "queue": [_unnamed(m) for m in known.queue],
                "recognised": [_unnamed(m) for m in known.recognised],
                "problems": known.problems,
            }
        )
    else:
        rows = [[c.record.name, c.record.merged_into or c.record.channel, c.micrographs] for c in known.classes]
        emit_table("Classes", ["name", "channel, or merged into", "micrographs"], rows)
        limit = "" if known.threshold is None else f" (u above {known.threshold:.3f})"
        for title, part in ((f"New class?{limit}", known.queue), ("Recognised", known.recognised)):
            emit_table(title, ["id", "micrograph", "u", "most similar", "where"], [_row(m) for m in part])
    refuse(known.problems)


@classes.command()
def name(
    ctx: typer.Context,
    called: NameArgument,
    ids: Annotated[list[int], typer.Argument(metavar="ID...", help="Micrographs that show it, by catalog id.")],
    box: Annotated[
        str | None, typer.Option(metavar="TOP,LEFT,HEIGHT,WIDTH", help="The part of one micrograph that shows it.")
    ] = None,
    seed: SeedOption = 0,
    as_json: JsonFlag = False,
) -> None:
    """Name what micrographs show, and teach it to the head."""
    from matcurate.workflows.classes import name_micrographs

    with progress_bar("name") as progress:
        _show(
            name_micrographs(session(ctx).workspace, called, ids, box=_box(box), seed=seed, progress=progress), as_json
        )


@classes.command()
def merge(
    ctx: typer.Context,
    old: Annotated[str, typer.Argument(metavar="OLD", help="The class that goes.")],
    into: Annotated[str, typer.Argument(metavar="INTO", help="The class that takes its micrographs.")],
    seed: SeedOption = 0,
    as_json: JsonFlag = False,
) -> None:
    """Let one class take another's micrographs."""
    from matcurate.workflows.classes import merge as run

    with progress_bar("merge") as progress:
        _show(run(session(ctx).workspace, old, into, seed=seed, progress=progress), as_json)


@classes.command()
def show(
    ctx: typer.Context,
    wanted: Annotated[str, typer.Argument(metavar="NAME|ID", help="A class, or a micrograph to compare with them.")],
    out: Annotated[Path, typer.Option(help="Folder for the PNG files.")],
    count: Annotated[int, typer.Option(min=1, help="Crops of each.")] = 6,
    as_json: JsonFlag = False,
) -> None:
    """Write example crops of a class as PNG, or those of a micrograph beside those of the classes most like it."""
    from matcurate.workflows.classes import write_examples

    written = write_examples(session(ctx).workspace, wanted, out, count)
    if as_json:
        emit_json({"files": [str(path) for path in written]})
    else:
        emit_table(f"Crops in {out}", ["file"], [[path.name] for path in written])


def _show(change: ClassChange, as_json: bool) -> None:
    if as_json:
        emit_json(
            {
                "class": change.name,
                "new": change.added,
                "channel": change.channel,
                "micrographs": change.micrographs,
                "classes": change.classes,
                "threshold": change.threshold,
                "accuracy_before": None if change.before is None else change.before.micrographs,
                "accuracy_after": None if change.after is None else change.after.micrographs,
                "crops_before": None if change.before is None else change.before.crops,
                "crops_after": None if change.after is None else change.after.crops,
                "grown": change.grown,
                "head": change.head,
            }
        )
        return
    columns = ["class", "new", "channel", "micrographs", "u of new ones above", "others before", "others after"]
    before, after = (
        "" if accuracy is None else f"{accuracy.micrographs:.1%}, crops {accuracy.crops:.1%}"
        for accuracy in (change.before, change.after)
    )
    row = [change.name, change.added, change.channel, len(change.micrographs), change.threshold, before, after]
    emit_table("Learned (other classes: micrographs held out that were recognised, and their crops)", columns, [row])


def _unnamed(micrograph: Unnamed) -> dict[str, Json]:
    return {
        "micrograph": micrograph.micrograph_id,
        "name": micrograph.name,
        "u": micrograph.vacuity,
        "similar": _similar(micrograph.similar),
        "regions": [
            {"box": _sides(part.box), "share": part.share, "u": part.vacuity, "similar": _similar(part.similar)}
            for part in micrograph.regions
        ],
    }


def _similar(similar: Sequence[Likeness]) -> list[Json]:
    return [
        {"name": like.name, "probability": like.probability, "examples": [_crop(crop) for crop in like.examples]}
        for like in similar
    ]


def _crop(crop: Crop) -> dict[str, Json]:
    return {"micrograph": crop.micrograph_id, "box": _sides(crop.box)}


def _sides(box: Box) -> list[Json]:
    return [box.top, box.left, box.height, box.width]


def _row(micrograph: Unnamed) -> list[object]:
    """The least known region, with its box where there are others."""
    likest = ", ".join(f"{like.name} {like.probability:.2f}" for like in micrograph.similar[:SHOWN])
    where = ",".join(map(str, _sides(micrograph.regions[0].box))) if len(micrograph.regions) > 1 else ""
    return [micrograph.micrograph_id, micrograph.name, micrograph.vacuity, likest, where]


def _box(text: str | None) -> Box | None:
    if text is None:
        return None
    from matcurate.workflows.classes import Box

    try:
        top, left, height, width = (int(part) for part in text.split(","))
        return Box(top, left, height, width)
    except ValueError as error:
        raise typer.BadParameter(f"write TOP,LEFT,HEIGHT,WIDTH in pixels ({error})", param_hint="--box") from error

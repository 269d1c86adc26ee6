"""``curate iterate``: micrographs without labels become named classes and a segmenter that tells them apart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matcurate.cli.output import JsonFlag, SeedOption, emit_json, emit_table, progress_bar, refuse, session

if TYPE_CHECKING:
    from matcurate.workflows.iterate import IterationReport


def iterate(
    ctx: typer.Context,
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[IMAGES]...", help="New micrographs, or folders of them.")
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(metavar="REGION=NAME", help="Name a region: ID=NAME, or ID:TOP,LEFT,HEIGHT,WIDTH=NAME."),
    ] = None,
    names: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="File with one REGION=NAME a line.")
    ] = None,
    label_studio: Annotated[
        bool, typer.Option("--label-studio", help="Ask in Label Studio, and take the names given there.")
    ] = False,
    until: Annotated[
        int | None, typer.Option(min=1, help="Train when this many regions have names, even if others are unknown.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of a training [the preset's].")] = None,
    seed: SeedOption = 0,
    as_json: JsonFlag = False,
) -> None:
    """Find regions, classify them, ask for the names of unknown ones; train a region segmenter when all are known.

    Run it again with the names: it goes on from where it stood, also after it was killed.
    """
    from matcurate.workflows.home import label_studio_client
    from matcurate.workflows.iterate import collect_answers, put_questions
    from matcurate.workflows.iterate import iterate as run

    workspace = session(ctx).workspace
    stated = [*(name or ()), *(_lines(names) if names is not None else ())]
    with progress_bar("iterate") as progress:
        if label_studio:
            with label_studio_client(workspace.settings) as client:
                stated = [*collect_answers(workspace, client), *stated]
        report = run(workspace, paths or (), stated, until=until, steps=steps, seed=seed, progress=progress)
        asked = None
        if label_studio and report.questions:
            with label_studio_client(workspace.settings) as client:
                asked = put_questions(workspace, client, report.questions, progress)
    address = None if asked is None else f"{workspace.settings.label_studio.url}/projects/{asked[0]}/data"
    if as_json:
        emit_json({**_document(report), "label_studio": address})
    else:
        _show(report, address)
    refuse(report.problems)


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _document(report: IterationReport) -> dict[str, object]:
    return {
        "waiting": report.waiting,
        "why": report.why,
        "classes": report.classes,
        "named": report.named,
        "recognised": report.recognised,
        "questions": [
            {
                "region": each.key,
                "micrograph": each.micrograph,
                "name": each.name,
                "box": [each.box.top, each.box.left, each.box.height, each.box.width],
                "share": each.share,
                "vacuity": each.vacuity,
                "similar": [{"class": like.name, "probability": like.probability} for like in each.similar],
            }
            for each in report.questions
        ],
        "segmenter": report.segmenter,
        "problems": report.problems,
    }


def _show(report: IterationReport, address: str | None) -> None:
    rows = [
        [each.key, each.name, f"{each.share:.0%}", f"{each.vacuity:.2f}", ", ".join(like.name for like in each.similar)]
        for each in report.questions
    ]
    if rows:
        emit_table("What are these regions?", ["region", "micrograph", "share", "u", "most similar"], rows)
    if report.segmenter is not None:
        made = report.segmenter
        typer.echo(
            f"{made.version}{' (champion)' if made.promoted else ''}: {made.accuracy:.3f} of the pixels of held-out "
            f"collages are right, worst class {made.worst_class} {made.worst:.3f}"
        )
    typer.echo(
        f"{len(report.classes)} classes, {report.named} regions named, {report.recognised} recognised: {report.why}"
    )
    if address is not None:
        typer.echo(f"name them at {address}, then run 'curate iterate --label-studio' again")

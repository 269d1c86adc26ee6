"""Weights of the official backbones, and of classifiers to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matcurate.cli.output import JsonFlag, emit_json, emit_table, progress_bar, session

if TYPE_CHECKING:
    from matcurate.workflows.home import CheckpointStatus

checkpoints = typer.Typer(
    help="Weights of the official SAM backbones and of torchvision's classifiers.", no_args_is_help=True
)


@checkpoints.command("list")
def list_(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """Which published checkpoints there are, and which are in the store."""
    from matcurate.workflows.home import list_checkpoints

    states = list_checkpoints(session(ctx).settings)
    if as_json:
        emit_json({"checkpoints": [_document(state) for state in states]})
        return
    rows = [
        (s.checkpoint.name, _presence(s), s.checkpoint.size // 10**6, s.path, f"{s.checkpoint.sha256[:12]}…")
        for s in states
    ]
    emit_table("Published checkpoints", ("name", "present", "MB", "path", "sha256"), rows)


@checkpoints.command()
def pull(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(help="vit_b (375 MB), vit_l (1.2 GB), vit_h (2.6 GB), or resnet18 … of 'list'.")
    ],
    url: Annotated[str | None, typer.Option(help="A mirror; the SHA-256 must be the published one.")] = None,
    file: Annotated[
        Path | None, typer.Option("--from", help="Copy this file instead of downloading.", metavar="FILE")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Fetch a checkpoint into the store and check it; goes on where an earlier attempt was cut off."""
    from matcurate.workflows.home import pull_checkpoint

    if url and file:
        raise typer.BadParameter("give --url or --from, not both")
    with progress_bar(f"pull {name}") as progress:
        pulled = pull_checkpoint(session(ctx).settings, name, url=url, file=file, progress=progress)
    if as_json:
        emit_json(
            {
                "name": pulled.checkpoint.name,
                "path": pulled.path,
                "size": pulled.checkpoint.size,
                "sha256": pulled.checkpoint.sha256,
                "added": pulled.added,
            }
        )
    else:
        typer.echo(f"{pulled.path}: {'added' if pulled.added else 'was there already'}, sha256 verified")


def _document(state: CheckpointStatus) -> dict[str, object]:
    return {
        "name": state.checkpoint.name,
        "present": state.present,
        "size": state.checkpoint.size,
        "partial_bytes": state.partial_bytes,
        "sha256": state.checkpoint.sha256,
        "path": state.path,
        "url": state.checkpoint.url,
    }


def _presence(state: CheckpointStatus) -> str:
    if state.present:
        return "yes"
    return f"{state.partial_bytes // 10**6} MB so far" if state.partial_bytes else "no"

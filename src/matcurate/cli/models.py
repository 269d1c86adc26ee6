"""Model versions: list, show, promote, roll back; from lab to lab: :mod:`matcurate.cli.exchange`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from matcurate.cli.exchange import VersionArgument, plain_tags, register, version_json
from matcurate.cli.output import JsonFlag, emit, emit_json, emit_table, session

if TYPE_CHECKING:
    from matcurate.workflows.versions import AliasMove

models = typer.Typer(help="Model versions, and which of them serves.", no_args_is_help=True)

LabOption = Annotated[str | None, typer.Option("--lab", help="A lab: its versions, or its own champion.")]
WhyOption = Annotated[str, typer.Option("--why", help="The reason; kept in the history, here and in MLflow.")]


@models.command("list")
def list_(ctx: typer.Context, lab: LabOption = None, as_json: JsonFlag = False) -> None:
    """List the project's model versions, newest first."""
    from matcurate.workflows.versions import list_models

    versions = list_models(session(ctx).workspace, session(ctx).registry, lab)
    if as_json:
        emit_json({"models": [version_json(version) for version in versions]})
        return
    rows = [
        [
            v.name,
            ", ".join(v.aliases),
            v.tags.get("lab", ""),
            v.tags.get("snapshot", "")[:12],
            f"{v.created_at:%Y-%m-%d %H:%M}",
        ]
        for v in versions
    ]
    emit_table("Model versions", ["name", "aliases", "lab", "snapshot", "registered (UTC)"], rows)


@models.command()
def show(ctx: typer.Context, version: VersionArgument, as_json: JsonFlag = False) -> None:
    """Show one version: what it was made from, and who made it champion or took that away, when and why."""
    from matcurate.workflows.evaluation.measurements import measurements
    from matcurate.workflows.versions import show_model

    report = show_model(session(ctx).workspace, session(ctx).registry, version)
    if as_json:
        emit_json({**version_json(report.version), "history": report.history})
        return
    tags = [[key, value] for key, value in sorted(plain_tags(report.version).items())]
    aliases = ["aliases", ", ".join(report.version.aliases)]
    emit_table(report.version.name, ["what", ""], [aliases, ["run", report.version.run_id], *tags])
    measured = [
        [m.column, m.images, m.dice, m.fraction_error, f"{m.at:%Y-%m-%d %H:%M}"]
        for m in measurements(report.version).values()
    ]
    emit_table("Measured", ["golden set", "images", "Dice", "fraction error", "when (UTC)"], measured)
    rows = [
        [f"{c.at:%Y-%m-%d %H:%M}", c.alias, c.previous or "", c.version or "", c.who, c.why] for c in report.history
    ]
    emit_table("History", ["when (UTC)", "alias", "from", "to", "who", "why"], rows)


@models.command()
def promote(
    ctx: typer.Context,
    version: VersionArgument,
    why: WhyOption,
    lab: LabOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a version the champion (of a lab, with --lab)."""
    from matcurate.workflows.versions import promote as run

    here = session(ctx)
    emit(run(here.workspace, here.registry, version, why=_reason(why), lab=lab), as_json, _show_move)


@models.command()
def rollback(ctx: typer.Context, why: WhyOption, lab: LabOption = None, as_json: JsonFlag = False) -> None:
    """Make the champion before the present one champion again."""
    from matcurate.workflows.versions import rollback as run

    here = session(ctx)
    emit(run(here.workspace, here.registry, why=_reason(why), lab=lab), as_json, _show_move)


def _reason(why: str) -> str:
    if not why.strip():
        raise typer.BadParameter("needs a reason", param_hint="--why")
    return why.strip()


def _show_move(move: AliasMove) -> None:
    before = "none" if move.previous is None else f"version {move.previous}"
    typer.echo(f"{move.alias}: version {move.version} (before: {before})")


register(models)  # after the others, in --help too

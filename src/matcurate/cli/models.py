"""Model versions: list, show, promote, roll back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from matcurate.cli.output import Json, JsonFlag, emit_json, emit_table, session

if TYPE_CHECKING:
    from matcurate.workflows.models import AliasMove, RegisteredVersion

models = typer.Typer(help="Model versions, and which of them serves.", no_args_is_help=True)

LabOption = Annotated[str | None, typer.Option("--lab", help="A lab: its versions, or its own champion.")]
WhyOption = Annotated[str, typer.Option("--why", help="The reason; kept in the history, here and in MLflow.")]
VersionArgument = Annotated[str, typer.Argument(metavar="VERSION", help="Number, name or alias of the version.")]


def register(app: typer.Typer) -> None:
    """Add this group's commands to ``curate``."""
    app.add_typer(models, name="models")


@models.command("list")
def list_(ctx: typer.Context, lab: LabOption = None, as_json: JsonFlag = False) -> None:
    """List the project's model versions, newest first."""
    from matcurate.workflows.models import list_models, open_registry
    from matcurate.workflows.workspace import open_workspace

    workspace = open_workspace(session(ctx).settings)
    found = list_models(workspace, open_registry(workspace), lab)
    if as_json:
        emit_json({"models": [_version(each) for each in found]})
        return
    rows = [
        [
            v.name,
            ", ".join(v.aliases),
            v.tags.get("lab", ""),
            v.tags.get("snapshot", "")[:12],
            f"{v.created_at:%Y-%m-%d %H:%M}",
        ]
        for v in found
    ]
    emit_table("Model versions", ["name", "aliases", "lab", "snapshot", "registered (UTC)"], rows)


@models.command()
def show(ctx: typer.Context, version: VersionArgument, as_json: JsonFlag = False) -> None:
    """Show one version: what it was made from, and who made it champion or took that away, when and why."""
    from matcurate.workflows.models import open_registry, show_model
    from matcurate.workflows.workspace import open_workspace

    workspace = open_workspace(session(ctx).settings)
    report = show_model(workspace, open_registry(workspace), version)
    if as_json:
        emit_json({**_version(report.version), "history": [_change(each) for each in report.history]})
        return
    tags = [[key, value] for key, value in sorted(report.version.tags.items()) if not key.startswith("alias.")]
    aliases = ["aliases", ", ".join(report.version.aliases)]
    emit_table(report.version.name, ["what", ""], [aliases, ["run", report.version.run_id], *tags])
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
    from matcurate.workflows.models import open_registry
    from matcurate.workflows.models import promote as run
    from matcurate.workflows.workspace import open_workspace

    workspace = open_workspace(session(ctx).settings)
    _show_change(run(workspace, open_registry(workspace), version, why=_reason(why), lab=lab), as_json)


@models.command()
def rollback(ctx: typer.Context, why: WhyOption, lab: LabOption = None, as_json: JsonFlag = False) -> None:
    """Make the champion before the present one champion again."""
    from matcurate.workflows.models import open_registry
    from matcurate.workflows.models import rollback as run
    from matcurate.workflows.workspace import open_workspace

    workspace = open_workspace(session(ctx).settings)
    _show_change(run(workspace, open_registry(workspace), why=_reason(why), lab=lab), as_json)


def _reason(why: str) -> str:
    if not why.strip():
        raise typer.BadParameter("needs a reason", param_hint="--why")
    return why.strip()


def _show_change(change: AliasMove, as_json: bool) -> None:
    if as_json:
        emit_json(_change(change))
    else:
        before = "none" if change.previous is None else f"version {change.previous}"
        typer.echo(f"{change.alias}: version {change.version} (before: {before})")


def _version(version: RegisteredVersion) -> dict[str, Json]:
    tags = {key: value for key, value in version.tags.items() if not key.startswith("alias.")}
    return {
        "name": version.name,
        "version": version.version,
        "aliases": list(version.aliases),
        "lab": tags.get("lab"),
        "snapshot": tags.get("snapshot"),
        "base": tags.get("base"),
        "base_sha256": tags.get("base_sha256"),
        "run_id": version.run_id,
        "created_at": version.created_at.isoformat(),
        "tags": tags,
    }


def _change(change: AliasMove) -> dict[str, Json]:
    return {
        "alias": change.alias,
        "version": change.version,
        "previous": change.previous,
        "who": change.who,
        "why": change.why,
        "at": change.at.isoformat(),
    }

"""``curate rank``: what the experts see next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from matcurate.cli.output import Json, JsonFlag, emit_json, emit_table, progress_bar, refuse, session, warn

if TYPE_CHECKING:
    from matcurate.workflows.ranking.rank import RankReport

UNWRITTEN = "no Label Studio project is connected ('curate connect'): the ranking is stored, nothing was written there"


def register(app: typer.Typer) -> None:
    """Add this command to ``curate``."""
    app.command()(rank)


def rank(
    ctx: typer.Context,
    strategy: Annotated[
        str | None, typer.Option("--strategy", help="Default: by evidence where the model has it, else kcenter.")
    ] = None,
    count: Annotated[int | None, typer.Option("-k", "--count", min=1, help="Micrographs in the batch.")] = None,
    lease: Annotated[
        float | None, typer.Option("--lease", min=0, help="Hours in which nobody else is given them.")
    ] = None,
    quota: Annotated[int | None, typer.Option("--quota", min=1, help="Of one specimen at most.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="The same seed chooses the same.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Choose the micrographs that teach most, and let Label Studio serve them first.

    Defaults are the settings below 'rank'.
    """
    from matcurate.workflows.home.workspace import current_user, open_workspace
    from matcurate.workflows.ranking.rank import as_document, rank_project, rank_settings

    settings = session(ctx).settings
    request = rank_settings(settings.rank, strategy=strategy, count=count, lease_hours=lease, quota=quota, seed=seed)
    with progress_bar("rank") as progress:
        report = rank_project(open_workspace(settings), request, current_user(), progress)
    if as_json:
        emit_json(cast("Json", as_document(report)))
    else:
        _show(report)
    if settings.label_studio.project_id is None:
        warn(UNWRITTEN)
    refuse(report.failed)


def _show(report: RankReport) -> None:
    names = sorted({name for each in report.chosen for name in each.scores if " " not in name})  # those of one phase
    rows = [
        [
            each.place,
            each.name,
            each.id,
            "" if each.task is None else each.task,
            *(each.scores.get(name, "") for name in names),
            f"{each.leased_until:%Y-%m-%d %H:%M} UTC",
        ]
        for each in report.chosen
    ]
    title = f"{report.strategy}: {len(report.chosen)} of {report.pool}, by {report.model_version}"
    emit_table(title, ["place", "micrograph", "id", "task", *names, "leased until"], rows)

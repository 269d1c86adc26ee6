"""``curate rank``: what the experts see next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from matcurate.cli.output import JsonFlag, emit, emit_table, progress_bar, refuse, session, warn

if TYPE_CHECKING:
    from matcurate.workflows.ranking import RankReport

UNWRITTEN = "no Label Studio project is connected ('curate connect'): the ranking is stored, nothing was written there"


def rank(
    ctx: typer.Context,
    strategy: Annotated[
        str | None, typer.Option("--strategy", help="Default: by evidence where the model has it, else kcenter.")
    ] = None,
    count: Annotated[int | None, typer.Option("-k", "--count", min=1, help="Micrographs in the batch.")] = None,
    lease: Annotated[
        float | None, typer.Option("--lease", min=0, help="Hours a ranked micrograph stays reserved.")
    ] = None,
    quota: Annotated[int | None, typer.Option("--quota", min=1, help="Most micrographs of one specimen.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="The same seed gives the same batch.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Choose the micrographs that teach most, and let Label Studio serve them first.

    Defaults are the settings below 'rank'.
    """
    from matcurate.workflows.home import current_user
    from matcurate.workflows.ranking import rank_project, rank_settings

    settings = session(ctx).settings
    request = rank_settings(settings.rank, strategy=strategy, count=count, lease_hours=lease, quota=quota, seed=seed)
    with progress_bar("rank") as progress:
        report = rank_project(session(ctx).workspace, request, current_user(), progress)
    emit(report, as_json, _show)
    if settings.label_studio.project_id is None:
        warn(UNWRITTEN)
    refuse(report.failed)


def _show(report: RankReport) -> None:
    names = sorted({name for choice in report.chosen for name in choice.scores if " " not in name})  # not of one phase
    rows = [
        [
            *(choice.place, choice.name, choice.id, "" if choice.task is None else choice.task),
            *(choice.scores.get(name, "") for name in names),
            f"{choice.leased_until:%Y-%m-%d %H:%M} UTC",
        ]
        for choice in report.chosen
    ]
    title = f"{report.strategy}: {len(report.chosen)} of {report.pool}, by {report.model_version}"
    emit_table(title, ["place", "micrograph", "id", "task", *names, "leased until"], rows)

"""Jobs, the worker that does them, and the schedule."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, cast

import typer

from matcurate.cli.output import Json, JsonFlag, emit_json, emit_table, session

if TYPE_CHECKING:
    from matcurate.jobs.queue import JobRecord

jobs = typer.Typer(help="Jobs of the worker: what waits, runs, and became of it.")


def register(app: typer.Typer) -> None:
    """Add this group's commands to ``curate``."""
    app.add_typer(jobs, name="jobs")
    app.command()(worker)
    app.command()(schedule)


@jobs.callback(invoke_without_command=True)
def every(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """List the project's jobs when no other command is named."""
    if ctx.invoked_subcommand is None:
        _list(ctx, 20, as_json)


@jobs.command("list")
def list_(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 20,
    as_json: JsonFlag = False,
) -> None:
    """List the project's jobs, newest first."""
    _list(ctx, limit, as_json)


@jobs.command()
def show(
    ctx: typer.Context,
    job_id: Annotated[int, typer.Argument(metavar="ID", help="Number of the job.")],
    as_json: JsonFlag = False,
) -> None:
    """Show one job: how far it is, what came of it, or why it failed."""
    from matcurate.jobs.queue import job_of
    from matcurate.workflows.home import open_workspace

    job = job_of(open_workspace(session(ctx).settings), job_id)
    if as_json:
        emit_json(_as_json(job))
    else:
        emit_table(f"Job {job.id}", ["what", ""], [[key, value] for key, value in _as_json(job).items()])


@jobs.command()
def add(
    ctx: typer.Context,
    kind: Annotated[str, typer.Argument(help="sync, presegment, snapshot, retrain, iterate or rank.")],
    as_json: JsonFlag = False,
) -> None:
    """Ask the worker for a job; one of its kind that waits is brought forward."""
    from matcurate.workflows.home import current_user, enqueue, open_workspace

    job, added = enqueue(open_workspace(session(ctx).settings), kind, current_user())
    if as_json:
        emit_json({**_as_json(job), "added": added})
    else:
        emit_table("Asked for" if added else "Waits already", ["job", "kind"], [[job.id, job.kind]])


@jobs.command()
def cancel(
    ctx: typer.Context,
    job_id: Annotated[int, typer.Argument(metavar="ID", help="Number of the job.")],
    as_json: JsonFlag = False,
) -> None:
    """Cancel a job that waits, or stop one that runs at its next progress report."""
    from matcurate.jobs.queue import cancel as cancel_job
    from matcurate.workflows.home import current_user, open_workspace

    job = cancel_job(open_workspace(session(ctx).settings), job_id, current_user())
    if as_json:
        emit_json(_as_json(job))
    else:
        emit_table("Cancelled", ["job", "kind"], [[job.id, job.kind]])


def worker(ctx: typer.Context) -> None:
    """Do jobs until stopped (SIGTERM or Ctrl-C): a job at hand is stopped, and waits for the next worker."""
    os.environ["CURATE_HOME"] = str(session(ctx).settings.home.absolute())
    os.execv(sys.executable, [sys.executable, "-m", "matcurate.jobs"])


def schedule(
    ctx: typer.Context,
    cron: Annotated[
        str | None,
        typer.Argument(help='Five fields, minute to weekday, in local time: "0 2 * * *" is every night at two.'),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Forget the schedule.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Set, show or remove when the worker pulls corrections, predicts new micrographs and, when due, trains."""
    from matcurate.jobs.schedule import SCHEDULED, current_schedule, unschedule
    from matcurate.jobs.schedule import schedule as store
    from matcurate.workflows.home import open_workspace

    if cron is not None and remove:
        raise typer.BadParameter("give a schedule or --remove, not both")
    workspace = open_workspace(session(ctx).settings)
    if remove:
        unschedule(workspace)
    found = store(workspace, cron) if cron is not None else current_schedule(workspace)
    last = found.fired_at.isoformat() if found and found.fired_at else None
    if as_json:
        emit_json({"cron": found.cron if found else None, "jobs": list(SCHEDULED), "last": last})
    elif found is None:
        typer.echo("no schedule")
    else:
        emit_table("Schedule", ["cron", "jobs", "last"], [[found.cron, ", ".join(SCHEDULED), last or "never"]])


def _list(ctx: typer.Context, limit: int, as_json: bool) -> None:
    from matcurate.jobs.queue import jobs_of
    from matcurate.workflows.home import open_workspace

    found = jobs_of(open_workspace(session(ctx).settings), limit)
    if as_json:
        emit_json({"jobs": [_as_json(job) for job in found]})
        return
    rows = [[j.id, j.kind, j.state.value, f"{j.done}/{j.total}", j.trigger, j.error or j.note] for j in found]
    emit_table("Jobs", ["id", "kind", "state", "progress", "asked by", ""], rows)


def _as_json(job: JobRecord) -> dict[str, Json]:
    moments = {name: getattr(job, name) for name in ("created_at", "not_before", "started_at", "finished_at")}
    return {
        "id": job.id,
        "kind": job.kind,
        "trigger": job.trigger,
        "state": job.state.value,
        "done": job.done,
        "total": job.total,
        "note": job.note,
        "result": cast("Json", job.result),  # stored as JSON
        "error": job.error,
        **{name: None if moment is None else moment.isoformat() for name, moment in moments.items()},
    }

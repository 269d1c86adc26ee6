"""When the loop turns by itself: a cron expression for each project, in the local time of the worker's machine."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from huey import crontab

from matcurate.catalog.jobs import get_schedule, mark_fired, remove_schedule, set_schedule
from matcurate.catalog.learning_records import JobRecord, ScheduleRecord
from matcurate.errors import ConfigError
from matcurate.jobs.kinds import SCHEDULED
from matcurate.workflows.home import SCHEDULE, Workspace, ask

FIELDS = ("minute", "hour", "day", "month", "day_of_week")


def parse_cron(expression: str) -> Callable[[datetime], bool]:
    """Whether a moment's minute is one of a cron expression's.

    Five fields: minute, hour, day of the month, month, day of the week (0 and 7 are Sunday); each ``*``, a number,
    ``a-b``, ``*/n`` (not for days of the week) or a list of these by commas. A moment must fit all five.

    Raises
    ------
    ConfigError
        When it is none.
    """
    parts = expression.split()
    if len(parts) != len(FIELDS):
        raise ConfigError(
            f"{expression!r} has {len(parts)} fields; a schedule has five: minute hour day month weekday, "
            'as in "0 2 * * *" for every night at two'
        )
    try:
        fits: Callable[[datetime], bool] = crontab(**dict(zip(FIELDS, parts, strict=True)), strict=True)
    except ValueError as error:
        raise ConfigError(f'{expression!r} is no schedule: {error}; write for instance "0 2 * * *"') from error
    return fits


def schedule(workspace: Workspace, expression: str) -> ScheduleRecord:
    """Store when the project's jobs are asked for; replaces what was stored before.

    Raises
    ------
    ConfigError
        When the expression is none.
    """
    parse_cron(expression)
    project = workspace.project()
    with workspace.writing() as session:
        return set_schedule(session, project.id, " ".join(expression.split()))


def current_schedule(workspace: Workspace) -> ScheduleRecord | None:
    """The project's schedule, None when it has none."""
    project = workspace.project()
    with workspace.reading() as session:
        return get_schedule(session, project.id)


def unschedule(workspace: Workspace) -> bool:
    """Forget the project's schedule; returns whether there was one."""
    project = workspace.project()
    with workspace.writing() as session:
        return remove_schedule(session, project.id)


def fire_schedule(workspace: Workspace, now: datetime) -> JobRecord | None:
    """Ask for the first of the scheduled jobs when ``now`` fits; the others follow it.

    Called as often as one likes: of all calls, by all workers, within one minute, one has an effect.

    Parameters
    ----------
    workspace : Workspace
        The open installation.
    now : datetime
        With the time zone in which the expression is meant.
    """
    found = current_schedule(workspace)
    if found is None or not parse_cron(found.cron)(now):
        return None
    with workspace.writing() as session:
        first = mark_fired(session, found.project_id, now.replace(second=0, microsecond=0))
    return ask(workspace, SCHEDULED[0], SCHEDULE)[0] if first else None

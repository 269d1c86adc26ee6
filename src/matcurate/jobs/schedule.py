"""When the loop turns by itself: a cron expression for each project, in the local time of the worker's machine."""

from __future__ import annotations

import os
from datetime import datetime
from zoneinfo import ZoneInfo, available_timezones

from croniter import croniter

from matcurate.catalog import JobRecord, ScheduleRecord, get_schedule, mark_fired, remove_schedule, set_schedule
from matcurate.errors import ConfigError
from matcurate.workflows.home import SCHEDULE, Workspace, enqueue

FIELDS = 5
SCHEDULED = ("sync", "presegment", "retrain")
"""What a schedule asks for: one after the other, each when the one before has ended, well or not."""


def schedule(workspace: Workspace, expression: str) -> ScheduleRecord:
    """Store when the project's jobs are asked for; replaces what was stored before.

    Five fields: minute, hour, day of the month, month, day of the week (0 and 7 are Sunday). Raises ConfigError when
    the expression is none.
    """
    parts = expression.split()
    if len(parts) != FIELDS:
        raise ConfigError(
            f"{expression!r} has {len(parts)} fields; a schedule has five: minute hour day month weekday, "
            'as in "0 2 * * *" for every night at two'
        )
    if not croniter.is_valid(expression):
        raise ConfigError(f'{expression!r} is no schedule; write for instance "0 2 * * *"')
    project = workspace.project()
    with workspace.writing() as session:
        return set_schedule(session, project.id, " ".join(parts))


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


def fire_schedule(workspace: Workspace, moment: datetime) -> JobRecord | None:
    """Ask for the first of the scheduled jobs when all five fields fit a moment; the others follow it.

    DBOS lets either the day of the month or that of the week fit. Of all calls for one minute one has an effect.
    """
    found = current_schedule(workspace)
    if found is None or not croniter.match(found.cron, moment.astimezone(ZoneInfo(local_zone())), day_or=False):
        return None
    with workspace.writing() as session:
        first = mark_fired(session, found.project_id, moment.replace(second=0, microsecond=0))
    return enqueue(workspace, SCHEDULED[0], SCHEDULE)[0] if first else None


def local_zone() -> str:
    """IANA name of this machine's time zone; UTC where the system does not tell."""
    name = os.environ.get("TZ", "").lstrip(":") or os.path.realpath("/etc/localtime").partition("zoneinfo/")[2]
    return name if name in available_timezones() else "UTC"

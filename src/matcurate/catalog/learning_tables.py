"""The catalog's tables about learning: snapshots, who moved which model alias, jobs, workers and the schedule.

As in :mod:`matcurate.catalog.tables`, rows stay inside this package.
"""

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlmodel import JSON, Field

from matcurate.catalog.columns import CatalogTable, NullableJson, NumberedTable, UtcDateTime, utc_now
from matcurate.catalog.tables import METADATA as METADATA  # those of tables.py are referred to here


class Snapshot(NumberedTable, table=True):
    """An immutable version of a project's training data, named by its content; ``trained_at`` is set afterwards."""

    __table_args__ = (UniqueConstraint("project_id", "digest"),)

    project_id: int = Field(foreign_key="project.id")
    digest: str
    phases: list[str] = Field(sa_type=JSON)
    seed: int
    validation_share: float
    refused: list[dict[str, str]] = Field(sa_type=JSON)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    trained_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class SnapshotItem(CatalogTable, table=True):
    """One micrograph of a snapshot, with the mask it had and all that was known about it then."""

    __tablename__ = "snapshot_item"
    __table_args__ = (
        ForeignKeyConstraint(["correction_id", "micrograph_id"], ["correction.id", "correction.micrograph_id"]),
    )

    snapshot_id: int = Field(foreign_key="snapshot.id", primary_key=True)
    micrograph_id: int = Field(foreign_key="micrograph.id", primary_key=True)
    correction_id: int
    part: str
    content_hash: str
    phases_key: str
    instances_key: str | None = None
    ratios: dict[str, float] | None = Field(default=None, sa_type=NullableJson)
    nm_per_px: float | None = None
    ignores_bars: bool = True
    nm_per_px_y: float | None = None
    lab: str | None = None
    specimen: str | None = None


class AliasChange(NumberedTable, table=True):
    """A model alias that was moved: append-only. No version: the alias was taken away."""

    __tablename__ = "alias_change"
    __table_args__ = (Index(None, "project_id", "alias"),)

    project_id: int = Field(foreign_key="project.id")
    alias: str
    version: int | None = None
    previous: int | None = None
    who: str
    why: str
    changed_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


WAITING = text("started_at IS NULL AND finished_at IS NULL")
"""Condition of the unique index on jobs."""


class Job(CatalogTable, table=True):
    """What was asked for, by whom, how far it has come, and what became of it; its queue is DBOS's.

    Of one kind a project has at most one job that waits.
    """

    __table_args__ = (
        Index(
            "uq_job_waiting",
            "project_id",
            "kind",
            unique=True,
            sqlite_where=WAITING,
            postgresql_where=WAITING,
        ),
    )

    id: int = Field(default=None, primary_key=True)
    project_id: int = Field(foreign_key="project.id")
    kind: str
    trigger: str
    done: int = 0
    total: int = 0
    note: str = ""
    result: dict[str, object] | None = Field(default=None, sa_type=NullableJson)
    error: str | None = None
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    not_before: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Worker(CatalogTable, table=True):
    """When a worker was last heard of; its name is its executor id in DBOS."""

    name: str = Field(primary_key=True)
    alive_at: datetime = Field(sa_type=UtcDateTime)


class Schedule(CatalogTable, table=True):
    """When a project's scheduled jobs are queued."""

    project_id: int = Field(foreign_key="project.id", primary_key=True)
    cron: str
    set_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    fired_at: datetime | None = Field(default=None, sa_type=UtcDateTime)

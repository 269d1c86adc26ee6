"""What the catalog takes and hands out about learning: frozen values, free of any session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from matcurate.types import Calibration


class Part(StrEnum):
    """What a micrograph of a snapshot is for."""

    TRAIN = "train"
    VALIDATION = "validation"


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotItemRecord:
    """One micrograph of a snapshot, as it was known when the snapshot was made.

    ``content_hash`` is that of the micrograph, ``phases_key`` and ``instances_key`` name the images of class ids and
    of instance ids, ``ratios`` are the expert's by phase name; ``nm_per_px_y`` is None where pixels are square.
    """

    micrograph_id: int
    correction_id: int
    part: Part
    content_hash: str
    phases_key: str
    instances_key: str | None = None
    ratios: Mapping[str, float] | None = None
    nm_per_px: float | None = None
    nm_per_px_y: float | None = None
    lab: str | None = None
    specimen: str | None = None
    ignores_bars: bool = True

    @property
    def calibration(self) -> Calibration | None:
        """Size of a pixel, None where it is not known."""
        return Calibration.of_edges(self.nm_per_px, self.nm_per_px_y)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A micrograph that must not be trained on, and why."""

    micrograph: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSettings:
    """How a snapshot was made; ``digest`` is the hex SHA-256 over its content, all but ``refused``."""

    project_id: int
    digest: str
    phases: tuple[str, ...]
    seed: int
    validation_share: float
    refused: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSnapshot(SnapshotSettings):
    """The content of a snapshot: each micrograph once, at least one; ``validation_share`` in [0, 1)."""

    items: tuple[SnapshotItemRecord, ...]

    def __post_init__(self) -> None:
        if not 0.0 <= self.validation_share < 1.0:  # also refuses NaN
            raise ValueError(f"validation_share must lie in [0, 1), got {self.validation_share}")
        ids = [item.micrograph_id for item in self.items]
        if not ids or len(set(ids)) != len(ids):
            raise ValueError(f"a snapshot holds every micrograph once and at least one, got {ids}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRecord(SnapshotSettings):
    """A stored snapshot; ``trained_at`` is when the newest training on it ended, None when there was none."""

    id: int
    created_at: datetime
    trained_at: datetime | None

    @property
    def name(self) -> str:
        """The digest's first twelve digits: enough to tell the snapshots of a lab apart."""
        return self.digest[:12]


@dataclass(frozen=True, slots=True)
class AliasChangeRecord:
    """One move of a model alias; ``version`` None: it was taken away, ``previous`` None: it was new."""

    id: int
    project_id: int
    alias: str
    version: int | None
    previous: int | None
    who: str
    why: str
    changed_at: datetime


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class JobRecord:
    """Work for the worker.

    ``trigger`` is ``schedule``, ``corrections``, ``promotion`` or a person's name. A job that waits begins after
    ``not_before``; ``result`` says what came of it, ``error`` why it failed.
    """

    id: int
    project_id: int
    kind: str
    trigger: str
    done: int
    total: int
    note: str
    result: Mapping[str, object] | None
    error: str | None
    created_at: datetime
    not_before: datetime
    started_at: datetime | None
    finished_at: datetime | None
    state: JobState

    @property
    def workflow_id(self) -> str:
        """Its name in DBOS; jobs of other installations on the same database have others."""
        return f"job-{self.id}-{self.created_at:%Y%m%dT%H%M%S.%f}"


@dataclass(frozen=True, slots=True)
class ScheduleRecord:
    """When a project's scheduled jobs are queued: five cron fields, in the worker's local time."""

    project_id: int
    cron: str
    set_at: datetime
    fired_at: datetime | None

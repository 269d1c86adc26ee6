"""What the catalog takes and hands out: frozen values, free of any session."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from matcurate.catalog.columns import utc_now
from matcurate.types import Calibration

_SHA256 = re.compile(r"[0-9a-f]{64}")
MATRIX = "matrix"
"""Name of class id 0."""


@dataclass(frozen=True, slots=True)
class ProjectRecord:
    """A project; ``phases`` are its phase names in the order of their class ids, from 1."""

    id: int
    name: str
    phases: tuple[str, ...]
    preset: str
    created_at: datetime

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of all class ids from 0: the matrix, and the phases."""
        return (MATRIX, *self.phases)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMicrograph:
    """An image to ingest.

    ``content_hash`` is the hex SHA-256 over the source's bytes and the page number, from 0; ``object_key`` and
    ``proxy_key`` name the original and its 8-bit proxy in the object store; ``dtype`` (``uint8``, ``uint16`` or
    ``float32``) is that of the original. ``nm_per_px`` is the width of a pixel in nanometres, ``nm_per_px_y`` its
    height, None where pixels are square. ``lab``, ``specimen`` None and ``golden`` False mean "not given"; a specimen
    without a lab belongs to the lab named ``local``. ``acquisition`` holds what the file states about the recording:
    ``instrument``, ``detector``, ``voltage_kv``, ``magnification``, ``working_distance_mm``, ``acquired_at``,
    ``image_rows``, ``page_name``, ``scale_source``.
    """

    content_hash: str
    page: int
    name: str
    source_path: str
    object_key: str
    proxy_key: str
    width: int
    height: int
    dtype: str
    nm_per_px: float | None = None
    nm_per_px_y: float | None = None
    lab: str | None = None
    specimen: str | None = None
    golden: bool = False
    acquisition: Mapping[str, str | float] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.content_hash):
            raise ValueError(f"content_hash must be a hex SHA-256, got {self.content_hash!r}")
        if self.width < 1 or self.height < 1 or self.page < 0:
            raise ValueError(f"width, height >= 1 and page >= 0, got {self.width} x {self.height}, page {self.page}")
        for name, size in (("nm_per_px", self.nm_per_px), ("nm_per_px_y", self.nm_per_px_y)):
            if size is not None and not 0 < size < math.inf:  # also refuses NaN
                raise ValueError(f"{name} must be positive and finite, got {size}")
        if self.nm_per_px_y is not None and self.nm_per_px is None:
            raise ValueError("nm_per_px_y, the height of a pixel, needs nm_per_px, its width")
        if self.lab == "" or self.specimen == "":
            raise ValueError("lab and specimen must be None or a name, not empty")

    @property
    def calibration(self) -> Calibration | None:
        """Size of a pixel, None where it is not known."""
        return Calibration.of_edges(self.nm_per_px, self.nm_per_px_y)


@dataclass(frozen=True, slots=True, kw_only=True)
class MicrographRecord(NewMicrograph):
    """A micrograph of the catalog; with ``ignores_bars``, data bar, border and scale bar are ignored pixels."""

    id: int
    added_at: datetime
    ignores_bars: bool = True

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.height, self.width


@dataclass(frozen=True, slots=True)
class TaskLink:
    """The micrograph that a Label Studio task shows; ``gone_at`` is set when the task is no longer there."""

    id: int
    project_id: int
    micrograph_id: int
    ls_project_id: int
    ls_task_id: int
    gone_at: datetime | None


@dataclass(frozen=True, slots=True)
class ModelVersionRecord:
    """A version of the pre-segmentation and all that is needed to make it again."""

    id: int
    project_id: int
    name: str
    backbone: str
    backbone_digest: str
    preset: str
    settings: Mapping[str, object]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPrediction:
    """A pre-segmentation to store.

    ``phases_key`` and ``instances_key`` name the images of class ids and of instance ids in the object store;
    ``score`` is the confidence, ``phase_fractions`` the area fraction of each phase, all in [0, 1].
    """

    micrograph_id: int
    model_version_id: int
    phases_key: str
    instances_key: str | None
    score: float
    phase_fractions: Mapping[str, float]

    def __post_init__(self) -> None:
        for what, value in {"score": self.score, **self.phase_fractions}.items():
            if not 0.0 <= value <= 1.0:  # also refuses NaN
                raise ValueError(f"{what} must lie in [0, 1], got {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionRecord(NewPrediction):
    """A stored pre-segmentation."""

    id: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class UnpushedPrediction:
    """A prediction that Label Studio does not hold yet, and the task it belongs on."""

    prediction: PredictionRecord
    task: TaskLink


@dataclass(frozen=True, slots=True)
class PushedPrediction:
    """A prediction that Label Studio holds on a task, and its id there where that is known."""

    prediction: PredictionRecord
    task: TaskLink
    ls_prediction_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionState:
    """What an expert decided, and when.

    ``result_key`` names Label Studio's raw ``result`` JSON in the object store, ``phases_key`` and ``instances_key``
    the decoded images, None when skipped or not given; ``ratios`` are the phase ratios that the expert gave,
    ``lead_time`` the seconds spent. ``ls_updated_at`` is Label Studio's moment, ``received_at`` ours.
    """

    annotator: str | None = None
    skipped: bool = False
    lead_time: float | None = None
    phases_key: str | None = None
    instances_key: str | None = None
    result_key: str
    ratios: Mapping[str, float] | None = None
    ls_updated_at: datetime
    received_at: datetime = field(default_factory=utc_now)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCorrection(CorrectionState):
    """An annotation as Label Studio holds it; ``parent_prediction_id`` is the catalog's prediction it began from."""

    ls_annotation_id: int
    parent_prediction_id: int | None = None
    ls_created_at: datetime

    def __post_init__(self) -> None:
        for moment in (self.ls_created_at, self.ls_updated_at, self.received_at):
            if moment.tzinfo is None:
                raise ValueError(f"annotation {self.ls_annotation_id}: {moment.isoformat()} has no time zone")
        if not self.skipped and self.phases_key is None and self.instances_key is None:
            raise ValueError(f"annotation {self.ls_annotation_id} is not skipped: it needs phases or instances")


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionRecord(NewCorrection):
    """The newest state of a correction, on which micrograph and task, and when it was retracted."""

    id: int
    project_id: int
    micrograph_id: int
    ls_project_id: int
    ls_task_id: int
    digest: str
    revision: int
    retracted_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionRevisionRecord(CorrectionState):
    """One state that a correction has had."""

    correction_id: int
    revision: int
    digest: str


class Outcome(StrEnum):
    """What recording a correction came to."""

    ADDED = "added"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    STALE = "stale"

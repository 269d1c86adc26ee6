"""What the catalog takes and hands out: frozen values, free of any session."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

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
    """What ingest knows of an image.

    Parameters
    ----------
    content_hash : str
        Hex SHA-256 over the source's bytes and the page number.
    page : int
        Page of a multi-page file, from 0.
    name, source_path : str
        Shown to people; where the file was found.
    object_key, proxy_key : str
        Keys of the original and of its 8-bit proxy in the object store.
    width, height : int
        Pixels.
    dtype : str
        ``uint8``, ``uint16`` or ``float32``: the depth of the original.
    nm_per_px, nm_per_px_y : float, optional
        Width of a pixel in nanometres, positive and finite; its height, None where pixels are square.
    lab, specimen : str, optional
        None means "not said". A specimen without a lab belongs to the lab named ``local``.
    golden : bool
        Whether the image is said to belong to the golden set; False means "not said".
    acquisition : mapping, optional
        What the file states about the recording: ``instrument``, ``detector``, ``voltage_kv``, ``magnification``,
        ``working_distance_mm``, ``acquired_at``, ``image_rows``, ``page_name``, ``scale_source``.
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


@dataclass(frozen=True, slots=True)
class MicrographRecord:
    """A micrograph of the catalog; the fields are those of :class:`NewMicrograph`.

    ``ignores_bars``: whether what is recognised as data bar, border or scale bar counts for nothing.
    """

    id: int
    content_hash: str
    page: int
    name: str
    source_path: str
    object_key: str
    proxy_key: str
    width: int
    height: int
    dtype: str
    nm_per_px: float | None
    nm_per_px_y: float | None
    lab: str | None
    specimen: str | None
    golden: bool
    added_at: datetime
    ignores_bars: bool = True
    acquisition: Mapping[str, str | float] | None = field(default=None, hash=False)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.height, self.width

    @property
    def calibration(self) -> Calibration | None:
        """Size of a pixel, None where it is not known."""
        return Calibration.of_edges(self.nm_per_px, self.nm_per_px_y)


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

    Parameters
    ----------
    micrograph_id, model_version_id : int
        Of which image, by which version.
    phases_key : str
        Object of the class-id image.
    instances_key : str, optional
        Object of the instance-id image.
    score : float
        Confidence in [0, 1].
    phase_fractions : mapping of str to float
        Area fraction of each phase, each in [0, 1].
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


@dataclass(frozen=True, slots=True)
class PredictionRecord:
    """A stored pre-segmentation; the fields are those of :class:`NewPrediction`."""

    id: int
    micrograph_id: int
    model_version_id: int
    phases_key: str
    instances_key: str | None
    score: float
    phase_fractions: Mapping[str, float]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class UnpushedPrediction:
    """A prediction that Label Studio does not hold yet, and the task it belongs on."""

    prediction: PredictionRecord
    task: TaskLink


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCorrection:
    """An annotation as Label Studio holds it.

    Parameters
    ----------
    ls_annotation_id : int
        Its id there.
    result_key : str
        Object with the raw ``result`` JSON, kept whatever we could decode of it.
    phases_key, instances_key : str, optional
        Objects of the decoded images; None when skipped or not given.
    ratios : mapping of str to float, optional
        Phase ratios that the expert gave.
    skipped : bool
        Label Studio's ``was_cancelled``.
    annotator : str, optional
        Who made it.
    lead_time : float, optional
        Seconds spent on it.
    parent_prediction_id : int, optional
        The catalog's prediction (of the same micrograph) that was corrected.
    ls_created_at, ls_updated_at : datetime
        Label Studio's moments, with a time zone.
    received_at : datetime, optional
        When this state was seen; the moment of recording by default.
    """

    ls_annotation_id: int
    result_key: str
    ls_created_at: datetime
    ls_updated_at: datetime
    phases_key: str | None = None
    instances_key: str | None = None
    ratios: Mapping[str, float] | None = None
    skipped: bool = False
    annotator: str | None = None
    lead_time: float | None = None
    parent_prediction_id: int | None = None
    received_at: datetime | None = None

    def __post_init__(self) -> None:
        for moment in (self.ls_created_at, self.ls_updated_at, self.received_at):
            if moment is not None and moment.tzinfo is None:
                raise ValueError(f"annotation {self.ls_annotation_id}: {moment.isoformat()} has no time zone")
        if not self.skipped and self.phases_key is None and self.instances_key is None:
            raise ValueError(f"annotation {self.ls_annotation_id} is not skipped: it needs phases or instances")


@dataclass(frozen=True, slots=True)
class CorrectionRecord:
    """The newest state of a correction; the fields are those of :class:`NewCorrection`."""

    id: int
    project_id: int
    micrograph_id: int
    ls_project_id: int
    ls_task_id: int
    ls_annotation_id: int
    annotator: str | None
    skipped: bool
    lead_time: float | None
    phases_key: str | None
    instances_key: str | None
    result_key: str
    ratios: Mapping[str, float] | None
    parent_prediction_id: int | None
    digest: str
    revision: int
    ls_created_at: datetime
    ls_updated_at: datetime
    received_at: datetime
    retracted_at: datetime | None


@dataclass(frozen=True, slots=True)
class CorrectionRevisionRecord:
    """One state that a correction has had."""

    correction_id: int
    revision: int
    digest: str
    annotator: str | None
    skipped: bool
    lead_time: float | None
    phases_key: str | None
    instances_key: str | None
    result_key: str
    ratios: Mapping[str, float] | None
    ls_updated_at: datetime
    received_at: datetime


class Outcome(StrEnum):
    """What recording a correction came to."""

    ADDED = "added"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    STALE = "stale"

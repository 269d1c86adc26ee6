"""The catalog's tables.

Rows stay inside this package; its functions hand out the frozen values of :mod:`matcurate.catalog.records`.
Composite foreign keys let the database itself refuse a prediction or a correction on the wrong micrograph.
"""

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlmodel import JSON, Field

from matcurate.catalog.columns import CatalogTable, NullableJson, NumberedTable, UtcDateTime, utc_now


class Lab(NumberedTable, table=True):
    """A laboratory that contributes micrographs and models."""

    name: str = Field(unique=True)


class Project(NumberedTable, table=True):
    """One segmentation question: the phases to tell apart. Belongs to one Label Studio."""

    name: str = Field(unique=True)
    phases: list[str] = Field(sa_type=JSON)
    preset: str
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class Specimen(NumberedTable, table=True):
    """A piece of material; its micrographs must never be split over training and evaluation."""

    __table_args__ = (UniqueConstraint("lab_id", "name"), UniqueConstraint("id", "lab_id"))

    lab_id: int = Field(foreign_key="lab.id")
    name: str


class Micrograph(NumberedTable, table=True):
    """One image (one page of a file), known by its content."""

    __table_args__ = (
        ForeignKeyConstraint(["specimen_id", "lab_id"], ["specimen.id", "specimen.lab_id"]),
        Index(None, "specimen_id"),
    )

    content_hash: str = Field(unique=True)
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
    lab_id: int | None = Field(default=None, foreign_key="lab.id", index=True)
    specimen_id: int | None = None
    golden: bool = False
    ignores_bars: bool = True
    added_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    acquisition: dict[str, str | float] | None = Field(default=None, sa_type=NullableJson)


class ProjectMicrograph(CatalogTable, table=True):
    """Which micrographs a project works on; a micrograph may be in several."""

    __tablename__ = "project_micrograph"

    project_id: int = Field(foreign_key="project.id", primary_key=True)
    micrograph_id: int = Field(foreign_key="micrograph.id", primary_key=True, index=True)
    added_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class LabelStudioTask(NumberedTable, table=True):
    """Which micrograph a Label Studio task shows. ``gone_at``: deleted there, found missing."""

    __tablename__ = "label_studio_task"
    __table_args__ = (
        UniqueConstraint("project_id", "ls_project_id", "ls_task_id"),
        UniqueConstraint("id", "project_id", "micrograph_id"),
        UniqueConstraint("id", "micrograph_id"),
        ForeignKeyConstraint(
            ["project_id", "micrograph_id"],
            ["project_micrograph.project_id", "project_micrograph.micrograph_id"],
        ),
        Index(None, "project_id", "micrograph_id"),
    )

    project_id: int
    micrograph_id: int
    ls_project_id: int
    ls_task_id: int
    linked_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    gone_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ModelVersion(NumberedTable, table=True):
    """What made a prediction: backbone, its digest, preset and every setting."""

    __tablename__ = "model_version"
    __table_args__ = (UniqueConstraint("project_id", "name"),)

    project_id: int = Field(foreign_key="project.id")
    name: str
    backbone: str
    backbone_digest: str
    preset: str
    settings: dict[str, object] = Field(sa_type=JSON)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class Prediction(NumberedTable, table=True):
    """The pre-segmentation of a micrograph by a model version; never changed once stored."""

    __table_args__ = (UniqueConstraint("micrograph_id", "model_version_id"), UniqueConstraint("id", "micrograph_id"))

    micrograph_id: int = Field(foreign_key="micrograph.id")
    model_version_id: int = Field(foreign_key="model_version.id", index=True)
    phases_key: str
    instances_key: str | None = None
    score: float
    phase_fractions: dict[str, float] = Field(sa_type=JSON)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class PredictionPush(NumberedTable, table=True):
    """A prediction that Label Studio holds on a task of the same micrograph."""

    __tablename__ = "prediction_push"
    __table_args__ = (
        UniqueConstraint("prediction_id", "task_id"),
        UniqueConstraint("task_id", "ls_prediction_id"),
        ForeignKeyConstraint(["prediction_id", "micrograph_id"], ["prediction.id", "prediction.micrograph_id"]),
        ForeignKeyConstraint(["task_id", "micrograph_id"], ["label_studio_task.id", "label_studio_task.micrograph_id"]),
    )

    prediction_id: int
    task_id: int
    micrograph_id: int
    ls_prediction_id: int | None = None
    pushed_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class CorrectionColumns(CatalogTable):
    """Columns of a correction and of each of its revisions."""

    annotator: str | None = None
    skipped: bool = False
    lead_time: float | None = None
    phases_key: str | None = None
    instances_key: str | None = None
    result_key: str
    ratios: dict[str, float] | None = Field(default=None, sa_type=NullableJson)
    digest: str
    revision: int = 1
    ls_updated_at: datetime = Field(sa_type=UtcDateTime)
    received_at: datetime = Field(sa_type=UtcDateTime)


class Correction(CorrectionColumns, NumberedTable, table=True):
    """The newest state of one Label Studio annotation. Kept when retracted."""

    __table_args__ = (
        UniqueConstraint("project_id", "ls_annotation_id"),
        ForeignKeyConstraint(
            ["task_id", "project_id", "micrograph_id"],
            ["label_studio_task.id", "label_studio_task.project_id", "label_studio_task.micrograph_id"],
        ),
        ForeignKeyConstraint(["parent_prediction_id", "micrograph_id"], ["prediction.id", "prediction.micrograph_id"]),
        Index(None, "micrograph_id"),
        Index(None, "task_id"),
        Index("uq_correction_id_micrograph_id", "id", "micrograph_id", unique=True),
    )

    project_id: int
    micrograph_id: int
    task_id: int
    ls_annotation_id: int
    parent_prediction_id: int | None = None
    ls_created_at: datetime = Field(sa_type=UtcDateTime)
    retracted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class CorrectionRevision(CorrectionColumns, NumberedTable, table=True):
    """Every state an annotation has had; rows are only ever appended."""

    __tablename__ = "correction_revision"
    __table_args__ = (UniqueConstraint("correction_id", "revision"),)

    correction_id: int = Field(foreign_key="correction.id")


class Event(CatalogTable, table=True):
    """Webhooks: stored at once, handled later, kept; ``error`` says why one could not be handled."""

    __table_args__ = (
        Index(
            "ix_event_open", "id", sqlite_where=text("handled_at IS NULL"), postgresql_where=text("handled_at IS NULL")
        ),
    )

    id: int = Field(default=None, primary_key=True)
    action: str
    ls_project_id: int | None = None
    ls_annotation_id: int | None = None
    received_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    handled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    error: str | None = None


METADATA = CatalogTable.metadata
"""All tables above; those of learning_tables.py join them."""

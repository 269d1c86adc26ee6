"""The catalog's tables about microstructure classes: which there are, what shows them, and the heads that know them.

As in :mod:`matcurate.catalog.tables`, rows stay inside this package.
"""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint
from sqlmodel import JSON, Field

from matcurate.catalog.columns import CatalogTable, NumberedTable, UtcDateTime, utc_now
from matcurate.catalog.ranking_tables import METADATA as METADATA  # those of the other modules are referred to here


class MicrostructureClass(NumberedTable, table=True):
    """A class that an expert has named. Classes that are merged into no other have the head's outputs, by id."""

    __tablename__ = "microstructure_class"
    __table_args__ = (
        UniqueConstraint("project_id", "name"),
        UniqueConstraint("id", "project_id"),
        ForeignKeyConstraint(
            ["merged_into", "project_id"], ["microstructure_class.id", "microstructure_class.project_id"]
        ),
        CheckConstraint("merged_into <> id", name="not_into_itself"),
    )

    project_id: int = Field(foreign_key="project.id")
    name: str
    named_by: str
    named_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    merged_into: int | None = None
    merged_by: str | None = None
    merged_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ClassMember(NumberedTable, table=True):
    """What an expert said that a box of a micrograph shows; it stays when the class is merged."""

    __tablename__ = "class_member"
    __table_args__ = (
        UniqueConstraint("project_id", "micrograph_id", "top", "left", "height", "width"),
        ForeignKeyConstraint(
            ["class_id", "project_id"], ["microstructure_class.id", "microstructure_class.project_id"]
        ),
        ForeignKeyConstraint(
            ["project_id", "micrograph_id"],
            ["project_micrograph.project_id", "project_micrograph.micrograph_id"],
        ),
        Index(None, "class_id"),
    )

    project_id: int
    class_id: int
    micrograph_id: int
    top: int
    left: int
    height: int
    width: int
    named_by: str
    named_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class ClassHead(NumberedTable, table=True):
    """One trained state of a project's head; rows are only ever appended, the highest number counts."""

    __tablename__ = "class_head"
    __table_args__ = (UniqueConstraint("project_id", "number"),)

    project_id: int = Field(foreign_key="project.id")
    number: int
    object_key: str
    model: str
    embedder_sha256: str
    crop: int
    classes: list[str] = Field(sa_type=JSON)
    threshold: float
    seed: int
    why: str
    made_by: str
    made_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class CropEmbedding(CatalogTable, table=True):
    """Embeddings of the crops of one box of a micrograph by one embedder."""

    __tablename__ = "crop_embedding"

    micrograph_id: int = Field(foreign_key="micrograph.id", primary_key=True)
    embedder_sha256: str = Field(primary_key=True)
    crop: int = Field(primary_key=True)
    top: int = Field(primary_key=True)
    left: int = Field(primary_key=True)
    height: int = Field(primary_key=True)
    width: int = Field(primary_key=True)
    object_key: str


class TexturePart(CatalogTable, table=True):
    """Regions of one texture that a micrograph was parted into: boxes in them, and the shares that they cover."""

    __tablename__ = "texture_part"

    micrograph_id: int = Field(foreign_key="micrograph.id", primary_key=True)
    method: str = Field(primary_key=True)
    crop: int = Field(primary_key=True)
    regions: list[list[float]] = Field(sa_type=JSON)

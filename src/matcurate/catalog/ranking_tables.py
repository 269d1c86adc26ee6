"""The catalog's tables about who sees what next: scores of micrographs, rankings, and what they have leased.

As in :mod:`matcurate.catalog.tables`, rows stay inside this package.
"""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import JSON, Field

from matcurate.catalog.columns import CatalogTable, NumberedTable, UtcDateTime, utc_now
from matcurate.catalog.learning_tables import METADATA as METADATA  # those of the other modules are referred to here


class MicrographScore(NumberedTable, table=True):
    """What a model version makes of a micrograph as a candidate; ``scorer`` names the way of scoring."""

    __tablename__ = "micrograph_score"
    __table_args__ = (UniqueConstraint("micrograph_id", "model_version_id"),)

    micrograph_id: int = Field(foreign_key="micrograph.id")
    model_version_id: int = Field(foreign_key="model_version.id", index=True)
    scorer: str
    scores: dict[str, float] = Field(sa_type=JSON)
    fractions: list[float] = Field(sa_type=JSON)
    embedding_key: str
    vacuity_key: str | None = None
    scored_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)


class Ranking(NumberedTable, table=True):
    """One choice of what the experts see next. ``written_at``: when Label Studio had taken the whole order."""

    __table_args__ = (Index(None, "project_id"),)

    project_id: int = Field(foreign_key="project.id")
    model_version_id: int = Field(foreign_key="model_version.id")
    strategy: str
    count: int
    quota: int | None = None
    seed: int
    pool: int
    who: str
    ls_project_id: int | None = None
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime)
    written_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class RankingItem(CatalogTable, table=True):
    """One chosen micrograph, its place from 0, and until when nobody else is to be given it."""

    __tablename__ = "ranking_item"
    __table_args__ = (UniqueConstraint("ranking_id", "micrograph_id"), Index(None, "micrograph_id"))

    ranking_id: int = Field(foreign_key="ranking.id", primary_key=True)
    place: int = Field(primary_key=True)
    micrograph_id: int = Field(foreign_key="micrograph.id")
    leased_until: datetime = Field(sa_type=UtcDateTime)

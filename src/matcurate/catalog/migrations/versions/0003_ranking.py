"""Scores of micrographs, rankings and what they have leased.

Revision 0003, after 0002; 2026-11-21 19:12:00.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "micrograph_score",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("micrograph_id", sa.Integer(), nullable=False),
        sa.Column("model_version_id", sa.Integer(), nullable=False),
        sa.Column("scorer", sa.String(), nullable=False),
        sa.Column("scores", sa.JSON(), nullable=False),
        sa.Column("fractions", sa.JSON(), nullable=False),
        sa.Column("embedding_key", sa.String(), nullable=False),
        sa.Column("vacuity_key", sa.String(), nullable=True),
        sa.Column("scored_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["micrograph_id"], ["micrograph.id"], name=op.f("fk_micrograph_score_micrograph_id")),
        sa.ForeignKeyConstraint(
            ["model_version_id"], ["model_version.id"], name=op.f("fk_micrograph_score_model_version_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_micrograph_score")),
        sa.UniqueConstraint(
            "micrograph_id", "model_version_id", name=op.f("uq_micrograph_score_micrograph_id_model_version_id")
        ),
    )
    op.create_index("ix_micrograph_score_model_version_id", "micrograph_score", ["model_version_id"])
    op.create_table(
        "ranking",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("model_version_id", sa.Integer(), nullable=False),
        sa.Column("strategy", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("quota", sa.Integer(), nullable=True),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("pool", sa.Integer(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("ls_project_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["model_version_id"], ["model_version.id"], name=op.f("fk_ranking_model_version_id")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_ranking_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ranking")),
    )
    op.create_index("ix_ranking_project_id", "ranking", ["project_id"])
    op.create_table(
        "ranking_item",
        sa.Column("ranking_id", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("micrograph_id", sa.Integer(), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["micrograph_id"], ["micrograph.id"], name=op.f("fk_ranking_item_micrograph_id")),
        sa.ForeignKeyConstraint(["ranking_id"], ["ranking.id"], name=op.f("fk_ranking_item_ranking_id")),
        sa.PrimaryKeyConstraint("ranking_id", "place", name=op.f("pk_ranking_item")),
        sa.UniqueConstraint("ranking_id", "micrograph_id", name=op.f("uq_ranking_item_ranking_id_micrograph_id")),
    )
    op.create_index("ix_ranking_item_micrograph_id", "ranking_item", ["micrograph_id"])


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_ranking_item_micrograph_id", "ranking_item")
    op.drop_table("ranking_item")
    op.drop_index("ix_ranking_project_id", "ranking")
    op.drop_table("ranking")
    op.drop_index("ix_micrograph_score_model_version_id", "micrograph_score")
    op.drop_table("micrograph_score")

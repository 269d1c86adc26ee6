"""Microstructure classes.

Revision 0004, after 0003; 2026-11-21 19:26:44.333950.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "class_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("object_key", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("embedder_sha256", sa.String(), nullable=False),
        sa.Column("crop", sa.Integer(), nullable=False),
        sa.Column("classes", sa.JSON(), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_class_head_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_class_head")),
        sa.UniqueConstraint("project_id", "number", name=op.f("uq_class_head_project_id_number")),
    )
    op.create_table(
        "microstructure_class",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("named_by", sa.String(), nullable=False),
        sa.Column("named_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("merged_into", sa.Integer(), nullable=True),
        sa.Column("merged_by", sa.String(), nullable=True),
        sa.Column("merged_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("merged_into <> id", name=op.f("ck_microstructure_class_not_into_itself")),
        sa.ForeignKeyConstraint(
            ["merged_into", "project_id"],
            ["microstructure_class.id", "microstructure_class.project_id"],
            name=op.f("fk_microstructure_class_merged_into_project_id"),
        ),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_microstructure_class_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_microstructure_class")),
        sa.UniqueConstraint("id", "project_id", name=op.f("uq_microstructure_class_id_project_id")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_microstructure_class_project_id_name")),
    )
    op.create_table(
        "crop_embedding",
        sa.Column("micrograph_id", sa.Integer(), nullable=False),
        sa.Column("embedder_sha256", sa.String(), nullable=False),
        sa.Column("crop", sa.Integer(), nullable=False),
        sa.Column("top", sa.Integer(), nullable=False),
        sa.Column("left", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("object_key", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["micrograph_id"], ["micrograph.id"], name=op.f("fk_crop_embedding_micrograph_id")),
        sa.PrimaryKeyConstraint(
            "micrograph_id", "embedder_sha256", "crop", "top", "left", "height", "width", name=op.f("pk_crop_embedding")
        ),
    )
    op.create_table(
        "class_member",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("class_id", sa.Integer(), nullable=False),
        sa.Column("micrograph_id", sa.Integer(), nullable=False),
        sa.Column("top", sa.Integer(), nullable=False),
        sa.Column("left", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("named_by", sa.String(), nullable=False),
        sa.Column("named_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["class_id", "project_id"],
            ["microstructure_class.id", "microstructure_class.project_id"],
            name=op.f("fk_class_member_class_id_project_id"),
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "micrograph_id"],
            ["project_micrograph.project_id", "project_micrograph.micrograph_id"],
            name=op.f("fk_class_member_project_id_micrograph_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_class_member")),
        sa.UniqueConstraint(
            "project_id",
            "micrograph_id",
            "top",
            "left",
            "height",
            "width",
            name=op.f("uq_class_member_project_id_micrograph_id_top_left_height_width"),
        ),
    )
    op.create_index("ix_class_member_class_id", "class_member", ["class_id"])


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_class_member_class_id", "class_member")
    op.drop_table("class_member")
    op.drop_table("crop_embedding")
    op.drop_table("microstructure_class")
    op.drop_table("class_head")

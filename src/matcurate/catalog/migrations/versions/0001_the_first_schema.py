"""The first schema.

Revision 0001, the first; 2026-11-21 03:58:32.891068.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("ls_project_id", sa.Integer(), nullable=True),
        sa.Column("ls_task_id", sa.Integer(), nullable=True),
        sa.Column("ls_annotation_id", sa.Integer(), nullable=True),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
    )
    op.create_index(
        "ix_event_open",
        "event",
        ["id"],
        sqlite_where=sa.text("handled_at IS NULL"),
        postgresql_where=sa.text("handled_at IS NULL"),
    )
    op.create_table(
        "lab",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lab")),
        sa.UniqueConstraint("name", name=op.f("uq_lab_name")),
    )
    op.create_table(
        "project",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("phases", sa.JSON(), nullable=False),
        sa.Column("preset", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project")),
        sa.UniqueConstraint("name", name=op.f("uq_project_name")),
    )
    op.create_table(
        "model_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("backbone", sa.String(), nullable=False),
        sa.Column("backbone_digest", sa.String(), nullable=False),
        sa.Column("preset", sa.String(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_model_version_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_version")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_model_version_project_id_name")),
    )
    op.create_table(
        "specimen",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("lab_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["lab_id"], ["lab.id"], name=op.f("fk_specimen_lab_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_specimen")),
        sa.UniqueConstraint("id", "lab_id", name=op.f("uq_specimen_id_lab_id")),
        sa.UniqueConstraint("lab_id", "name", name=op.f("uq_specimen_lab_id_name")),
    )
    op.create_table(
        "micrograph",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.String(), nullable=False),
        sa.Column("page", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("source_path", sa.String(), nullable=False),
        sa.Column("object_key", sa.String(), nullable=False),
        sa.Column("proxy_key", sa.String(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("dtype", sa.String(), nullable=False),
        sa.Column("nm_per_px", sa.Float(), nullable=True),
        sa.Column("lab_id", sa.Integer(), nullable=True),
        sa.Column("specimen_id", sa.Integer(), nullable=True),
        sa.Column("golden", sa.Boolean(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["lab_id"], ["lab.id"], name=op.f("fk_micrograph_lab_id")),
        sa.ForeignKeyConstraint(
            ["specimen_id", "lab_id"], ["specimen.id", "specimen.lab_id"], name=op.f("fk_micrograph_specimen_id_lab_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_micrograph")),
        sa.UniqueConstraint("content_hash", name=op.f("uq_micrograph_content_hash")),
    )
    op.create_index("ix_micrograph_lab_id", "micrograph", ["lab_id"])
    op.create_index("ix_micrograph_specimen_id", "micrograph", ["specimen_id"])
    op.create_table(
        "prediction",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("micrograph_id", sa.Integer(), nullable=False),
        sa.Column("model_version_id", sa.Integer(), nullable=False),
        sa.Column("phases_key", sa.String(), nullable=False),
        sa.Column("instances_key", sa.String(), nullable=True),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("phase_fractions", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["micrograph_id"], ["micrograph.id"], name=op.f("fk_prediction_micrograph_id")),
        sa.ForeignKeyConstraint(
            ["model_version_id"], ["model_version.id"], name=op.f("fk_prediction_model_version_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prediction")),
        sa.UniqueConstraint("id", "micrograph_id", name=op.f("uq_prediction_id_micrograph_id")),
        sa.UniqueConstraint(
            "micrograph_id", "model_version_id", name=op.f("uq_prediction_micrograph_id_model_version_id")
        ),
    )
    op.create_index("ix_prediction_model_version_id", "prediction", ["model_version_id"])
    op.create_table(
        "project_micrograph",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("micrograph_id", sa.Integer(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["micrograph_id"], ["micrograph.id"], name=op.f("fk_project_micrograph_micrograph_id")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_project_micrograph_project_id")),
        sa.PrimaryKeyConstraint("project_id", "micrograph_id", name=op.f("pk_project_micrograph")),
    )
    op.create_index("ix_project_micrograph_micrograph_id", "project_micrograph", ["micrograph_id"])
    op.create_table(
        "label_studio_task",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("micrograph_id", sa.Integer(), nullable=False),
        sa.Column("ls_project_id", sa.Integer(), nullable=False),
        sa.Column("ls_task_id", sa.Integer(), nullable=False),
        sa.Column("linked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id", "micrograph_id"],
            ["project_micrograph.project_id", "project_micrograph.micrograph_id"],
            name=op.f("fk_label_studio_task_project_id_micrograph_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_label_studio_task")),
        sa.UniqueConstraint("id", "micrograph_id", name=op.f("uq_label_studio_task_id_micrograph_id")),
        sa.UniqueConstraint(
            "id", "project_id", "micrograph_id", name=op.f("uq_label_studio_task_id_project_id_micrograph_id")
        ),
        sa.UniqueConstraint(
            "project_id",
            "ls_project_id",
            "ls_task_id",
            name=op.f("uq_label_studio_task_project_id_ls_project_id_ls_task_id"),
        ),
    )
    op.create_index(
        "ix_label_studio_task_project_id_micrograph_id", "label_studio_task", ["project_id", "micrograph_id"]
    )
    op.create_table(
        "correction",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("micrograph_id", sa.Integer(), nullable=False),
        sa.Column("task_id", sa.Integer(), nullable=False),
        sa.Column("ls_annotation_id", sa.Integer(), nullable=False),
        sa.Column("annotator", sa.String(), nullable=True),
        sa.Column("skipped", sa.Boolean(), nullable=False),
        sa.Column("lead_time", sa.Float(), nullable=True),
        sa.Column("phases_key", sa.String(), nullable=True),
        sa.Column("instances_key", sa.String(), nullable=True),
        sa.Column("result_key", sa.String(), nullable=False),
        sa.Column("ratios", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("parent_prediction_id", sa.Integer(), nullable=True),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("ls_created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ls_updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retracted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["parent_prediction_id", "micrograph_id"],
            ["prediction.id", "prediction.micrograph_id"],
            name=op.f("fk_correction_parent_prediction_id_micrograph_id"),
        ),
        sa.ForeignKeyConstraint(
            ["task_id", "project_id", "micrograph_id"],
            ["label_studio_task.id", "label_studio_task.project_id", "label_studio_task.micrograph_id"],
            name=op.f("fk_correction_task_id_project_id_micrograph_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_correction")),
        sa.UniqueConstraint("project_id", "ls_annotation_id", name=op.f("uq_correction_project_id_ls_annotation_id")),
    )
    op.create_index("ix_correction_micrograph_id", "correction", ["micrograph_id"])
    op.create_index("ix_correction_task_id", "correction", ["task_id"])
    op.create_table(
        "prediction_push",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("prediction_id", sa.Integer(), nullable=False),
        sa.Column("task_id", sa.Integer(), nullable=False),
        sa.Column("micrograph_id", sa.Integer(), nullable=False),
        sa.Column("ls_prediction_id", sa.Integer(), nullable=True),
        sa.Column("pushed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["prediction_id", "micrograph_id"],
            ["prediction.id", "prediction.micrograph_id"],
            name=op.f("fk_prediction_push_prediction_id_micrograph_id"),
        ),
        sa.ForeignKeyConstraint(
            ["task_id", "micrograph_id"],
            ["label_studio_task.id", "label_studio_task.micrograph_id"],
            name=op.f("fk_prediction_push_task_id_micrograph_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prediction_push")),
        sa.UniqueConstraint("prediction_id", "task_id", name=op.f("uq_prediction_push_prediction_id_task_id")),
        sa.UniqueConstraint("task_id", "ls_prediction_id", name=op.f("uq_prediction_push_task_id_ls_prediction_id")),
    )
    op.create_table(
        "correction_revision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("correction_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("annotator", sa.String(), nullable=True),
        sa.Column("skipped", sa.Boolean(), nullable=False),
        sa.Column("lead_time", sa.Float(), nullable=True),
        sa.Column("phases_key", sa.String(), nullable=True),
        sa.Column("instances_key", sa.String(), nullable=True),
        sa.Column("result_key", sa.String(), nullable=False),
        sa.Column("ratios", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("ls_updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["correction_id"], ["correction.id"], name=op.f("fk_correction_revision_correction_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_correction_revision")),
        sa.UniqueConstraint("correction_id", "revision", name=op.f("uq_correction_revision_correction_id_revision")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("correction_revision")
    op.drop_table("prediction_push")
    op.drop_index("ix_correction_task_id", "correction")
    op.drop_index("ix_correction_micrograph_id", "correction")
    op.drop_table("correction")
    op.drop_index("ix_label_studio_task_project_id_micrograph_id", "label_studio_task")
    op.drop_table("label_studio_task")
    op.drop_index("ix_project_micrograph_micrograph_id", "project_micrograph")
    op.drop_table("project_micrograph")
    op.drop_index("ix_prediction_model_version_id", "prediction")
    op.drop_table("prediction")
    op.drop_index("ix_micrograph_specimen_id", "micrograph")
    op.drop_index("ix_micrograph_lab_id", "micrograph")
    op.drop_table("micrograph")
    op.drop_table("specimen")
    op.drop_table("model_version")
    op.drop_table("project")
    op.drop_table("lab")
    op.drop_index("ix_event_open", "event")
    op.drop_table("event")

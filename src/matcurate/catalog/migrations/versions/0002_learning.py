"""Snapshots, alias changes, jobs and schedules.

Revision 0002, after 0001; 2026-11-21 12:35:58.006420.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    # first: what snapshot_item refers to must be unique before it is referred to
    op.create_index("uq_correction_id_micrograph_id", "correction", ["id", "micrograph_id"], unique=True)
    op.create_table(
        "alias_change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("alias", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("previous", sa.Integer(), nullable=True),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_alias_change_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alias_change")),
    )
    op.create_index("ix_alias_change_project_id_alias", "alias_change", ["project_id", "alias"])
    op.create_table(
        "job",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("trigger", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("result", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("alive_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_job_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
    )
    op.create_index(
        "uq_job_waiting",
        "job",
        ["project_id", "kind"],
        unique=True,
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "uq_job_running",
        "job",
        ["project_id", "kind"],
        unique=True,
        sqlite_where=sa.text("state = 'running'"),
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_table(
        "schedule",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("cron", sa.String(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fired_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_schedule_project_id")),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_schedule")),
    )
    op.create_table(
        "snapshot",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("phases", sa.JSON(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("validation_share", sa.Float(), nullable=False),
        sa.Column("refused", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("trained_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_snapshot_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snapshot")),
        sa.UniqueConstraint("project_id", "digest", name=op.f("uq_snapshot_project_id_digest")),
    )
    op.create_table(
        "snapshot_item",
        sa.Column("snapshot_id", sa.Integer(), nullable=False),
        sa.Column("micrograph_id", sa.Integer(), nullable=False),
        sa.Column("correction_id", sa.Integer(), nullable=False),
        sa.Column("part", sa.String(), nullable=False),
        sa.Column("content_hash", sa.String(), nullable=False),
        sa.Column("phases_key", sa.String(), nullable=False),
        sa.Column("instances_key", sa.String(), nullable=True),
        sa.Column("ratios", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("nm_per_px", sa.Float(), nullable=True),
        sa.Column("lab", sa.String(), nullable=True),
        sa.Column("specimen", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["correction_id", "micrograph_id"],
            ["correction.id", "correction.micrograph_id"],
            name=op.f("fk_snapshot_item_correction_id_micrograph_id"),
        ),
        sa.ForeignKeyConstraint(["micrograph_id"], ["micrograph.id"], name=op.f("fk_snapshot_item_micrograph_id")),
        sa.ForeignKeyConstraint(["snapshot_id"], ["snapshot.id"], name=op.f("fk_snapshot_item_snapshot_id")),
        sa.PrimaryKeyConstraint("snapshot_id", "micrograph_id", name=op.f("pk_snapshot_item")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("snapshot_item")
    op.drop_table("snapshot")
    op.drop_table("schedule")
    op.drop_index("uq_job_running", "job")
    op.drop_index("uq_job_waiting", "job")
    op.drop_table("job")
    op.drop_index("ix_alias_change_project_id_alias", "alias_change")
    op.drop_table("alias_change")
    op.drop_index("uq_correction_id_micrograph_id", "correction")

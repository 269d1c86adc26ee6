"""Jobs wait in DBOS: leases go, workers come; webhooks are kept without leases.

Revision 0009, after 0008; 2026-12-01 03:20:00.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

WAITING = sa.text("started_at IS NULL AND finished_at IS NULL")


def upgrade() -> None:
    """Apply. What waits or ran waits afterwards; a worker puts it into DBOS's queue."""
    op.drop_index("uq_job_running", "job")
    op.drop_index("uq_job_waiting", "job")
    op.execute(
        "UPDATE job SET finished_at = CURRENT_TIMESTAMP, error = 'matcurate was upgraded; another of its kind waits' "
        "WHERE state = 'running' AND EXISTS (SELECT 1 FROM job AS other WHERE other.state = 'queued' "
        "AND other.project_id = job.project_id AND other.kind = job.kind)"
    )
    op.execute("UPDATE job SET started_at = NULL WHERE finished_at IS NULL")
    op.drop_column("job", "state")
    op.drop_column("job", "alive_at")
    op.create_index(
        "uq_job_waiting", "job", ["project_id", "kind"], unique=True, sqlite_where=WAITING, postgresql_where=WAITING
    )
    op.create_table(
        "worker",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("alive_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_worker")),
    )
    for name in ("ls_task_id", "payload", "claimed_until", "attempts"):
        op.drop_column("event", name)


def downgrade() -> None:
    """Take back."""
    op.add_column("event", sa.Column("ls_task_id", sa.Integer(), nullable=True))
    op.add_column("event", sa.Column("payload", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("event", sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("event", sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"))
    op.drop_table("worker")
    op.drop_index("uq_job_waiting", "job")
    op.add_column("job", sa.Column("alive_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("job", sa.Column("state", sa.String(), nullable=False, server_default="queued"))
    op.execute("UPDATE job SET state = 'running' WHERE started_at IS NOT NULL")
    op.execute("UPDATE job SET state = 'done' WHERE finished_at IS NOT NULL")
    op.execute("UPDATE job SET state = 'failed' WHERE error IS NOT NULL")
    for state, name in (("queued", "uq_job_waiting"), ("running", "uq_job_running")):
        where = sa.text(f"state = '{state}'")
        op.create_index(name, "job", ["project_id", "kind"], unique=True, sqlite_where=where, postgresql_where=where)

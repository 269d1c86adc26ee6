"""Whether data bars count for nothing.

Revision 0007, after 0006; 2026-12-01 00:43:00.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = ("micrograph", "snapshot_item")


def upgrade() -> None:
    """Apply: the bars of every micrograph that is there count for nothing from now on."""
    for table in TABLES:  # not in a batch: SQLite would copy a table that others refer to
        op.add_column(table, sa.Column("ignores_bars", sa.Boolean(), nullable=False, server_default=sa.true()))


def downgrade() -> None:
    """Take back."""
    for table in TABLES:
        op.drop_column(table, "ignores_bars")

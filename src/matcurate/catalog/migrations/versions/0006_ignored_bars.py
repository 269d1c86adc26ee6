"""Whether data bars count for nothing.

Revision 0006, after 0005; 2026-11-30 23:30:00.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
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

"""Height of a pixel, where pixels are not square.

Revision 0006, after 0005; 2026-11-30 23:40:00.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    for table in ("micrograph", "snapshot_item"):
        op.add_column(table, sa.Column("nm_per_px_y", sa.Float(), nullable=True))


def downgrade() -> None:
    """Take back."""
    for table in ("micrograph", "snapshot_item"):
        op.drop_column(table, "nm_per_px_y")

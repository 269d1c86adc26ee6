"""What a file states about the recording of a micrograph.

Revision 0008, after 0007; 2026-12-01 00:50:00.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("micrograph", sa.Column("acquisition", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("micrograph", "acquisition")

"""What a file states about the recording of a micrograph.

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
    op.add_column("micrograph", sa.Column("acquisition", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("micrograph", "acquisition")
